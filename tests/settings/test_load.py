from pathlib import Path

import pytest
from pydantic import SecretStr

from sayna.errors import SettingsInvalid
from sayna.settings.load import load_settings
from tests.settings.loading import load, refused

ENTRY = '{"id":"%s","secret":"hush-1"}'
TWICE = {"AUTH_API_SECRETS_JSON": f"[{ENTRY % 'a'},{ENTRY % 'b'}]"}


def test_without_any_source_everything_has_its_default(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert loaded.settings.server.port == 3001
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.warnings == ()


def test_the_strongest_source_wins_and_is_named(tmp_path: Path) -> None:
    yaml = "server: {port: 4, host: file}\nlivekit: {url: ws://file}\n"
    loaded = load(
        tmp_path,
        {"PORT": "2"},
        yaml=yaml,
        dotenv="PORT=3\nHOST=dotenv\n",
        options={"server.port": 1, "server.host": None},
    )
    settings = loaded.settings
    assert (settings.server.port, settings.server.host) == (1, "dotenv")
    assert settings.livekit.url == "ws://file"
    assert loaded.origins["server.port"] == "command line"
    assert loaded.origins["server.host"] == ".env HOST"
    assert loaded.origins["livekit.url"] == "c.yaml line 2"
    assert loaded.origins["livekit.public_url"] == "default"


def test_the_environment_wins_over_dotenv_and_dotenv_over_the_file(tmp_path: Path) -> None:
    yaml, dotenv = "server: {port: 3}\n", "PORT=2\n"
    assert load(tmp_path, {"PORT": "1"}, yaml=yaml, dotenv=dotenv).settings.server.port == 1
    assert load(tmp_path, yaml=yaml, dotenv=dotenv).settings.server.port == 2


def test_every_problem_of_every_source_is_told_at_once(tmp_path: Path) -> None:
    told = refused(
        tmp_path,
        {
            "AUTH_REQUIRED": "perhaps",
            "AUTH_SERVICE_URL": "http://x",
            "SESSION_MAX_TEXT_CHARS": "lots",
            "RECORDING_BACKEND": "s3",
        },
        yaml="server: {port: -1}\ncache: []\nsip: {room_prefix: a b}\n",
    )
    names = [line.split(" ")[0].rstrip(":") for line in told]
    assert sorted(names) == [
        "auth.required", "auth.signing_key_path", "cache", "recording.backend.access_key",
        "recording.backend.bucket", "recording.backend.region", "recording.backend.secret_key",
        "server.port", "session.max_text_chars", "sip.allowed_addresses", "sip.room_prefix",
    ]  # fmt: skip
    assert all("\n" not in line for line in told)


def test_a_faulty_file_does_not_hide_faults_of_the_environment(tmp_path: Path) -> None:
    told = refused(tmp_path, {"PORT": "x", "AUTH_REQUIRED": "true"}, yaml="a: [\n")
    assert "not valid YAML" in told[0]
    assert told[1].startswith("server.port (environment PORT)")
    assert len(told) == 2  # what the file might have said is not missed


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="No such file"):
        load_settings(config=Path("gone.yaml"), environ={}, cwd=tmp_path)


@pytest.mark.parametrize(
    ("yaml", "environ"),
    [
        ("auth: {required: hush-1}\n", {}),
        ("auth:\n  api_secrets: [{id: a, secret: [hush-1]}]\n", {}),
        ("providers: {deepgram_api_key: {hush-1: x}}\n", {}),
        ("providers: {deepgram_api_key: *hush-1}\n", {}),
        (None, {"AUTH_API_SECRETS_JSON": '[{"id":"a","secret":"hush-1"'}),
        (None, {"AUTH_API_SECRETS_JSON": '["hush-1"]'}),
        (
            None,
            TWICE,
        ),
        (None, {"SIP_HOOKS_JSON": '[{"host":"h","url":"hush-1","secret":"hush-1"}]'}),
        (None, {"SIP_HOOK_SECRET": "hush-1"}),
        (None, {"PORT": "hush-1"}),
        (None, {"DEEPGRAM_BASE_URL": "ftp://hush-1@h"}),
        (None, {"RECORDING_BACKEND": "hush-1"}),
    ],
)
def test_no_problem_gives_a_value_away(
    tmp_path: Path, yaml: str | None, environ: dict[str, str]
) -> None:
    assert "hush-1" not in "\n".join(refused(tmp_path, environ, yaml=yaml))


def test_loaded_secrets_do_not_show_themselves(tmp_path: Path) -> None:
    loaded = load(tmp_path, {"AUTH_API_SECRET": "hush-1", "DEEPGRAM_API_KEY": "hush-1"})
    assert loaded.settings.providers.deepgram_api_key == SecretStr("hush-1")
    assert "hush-1" not in repr(loaded)


def test_unknown_keys_are_warnings(tmp_path: Path) -> None:
    loaded = load(tmp_path, yaml="server:\n  prot: 1\nvad: {}\n")
    assert len(loaded.warnings) == 2
    assert any("did you mean server.port?" in warning for warning in loaded.warnings)


def test_a_file_is_checked_where_the_environment_wins(tmp_path: Path) -> None:
    (told,) = refused(tmp_path, {"PORT": "80"}, yaml="server:\n  port: 3001.5\n")
    assert told.startswith("server.port (c.yaml line 2): is not a whole number")


@pytest.mark.parametrize(
    ("yaml", "environ", "ids"),
    [
        ("auth: {api_secrets: [{id: y, secret: a}]}\n", {}, ["y"]),
        ("auth: {api_secret: a}\n", {}, ["default"]),
        ("auth: {api_secrets: [], api_secret: a}\n", {}, ["default"]),
        ("auth: {api_secrets: [{id: y, secret: a}], api_secret: b}\n", {}, ["y"]),
        ("auth: {api_secrets: [{id: y, secret: a}]}\n", {"AUTH_API_SECRET": "b"}, ["default"]),
        ("auth: {api_secret: a}\n", {"AUTH_API_SECRETS_JSON": '[{"id":"j","secret":"b"}]'}, ["j"]),
        ("auth: {api_secrets: [{id: y, secret: a}]}\n", {"AUTH_API_SECRETS_JSON": "[]"}, []),
        ("", {"AUTH_API_SECRET": "b", "AUTH_API_SECRETS_JSON": "[]"}, []),
        ("", {"AUTH_API_SECRET": "b", "AUTH_API_SECRETS_JSON": " "}, ["default"]),
        ("auth: {api_secret: a}\n", {"AUTH_API_SECRET_ID": "t"}, ["t"]),
    ],
)
def test_secrets_come_from_one_source(
    tmp_path: Path, yaml: str, environ: dict[str, str], ids: list[str]
) -> None:
    loaded = load(tmp_path, environ, yaml=yaml)
    assert [entry.id for entry in loaded.settings.auth.api_secrets] == ids


def test_phone_calls_are_off_unless_something_asks_for_them(tmp_path: Path) -> None:
    assert load(tmp_path, {"SIP_ROOM_PREFIX": " "}, yaml="sip:\n").settings.sip is None
    sip = load(
        tmp_path, {"SIP_ROOM_PREFIX": "p", "SIP_ALLOWED_ADDRESSES": "192.0.2.1,"}
    ).settings.sip
    assert sip is not None
    assert sip.allowed_addresses == ("192.0.2.1",)


def test_a_backend_is_put_together_from_file_and_environment(tmp_path: Path) -> None:
    yaml = "recording: {backend: {type: s3, bucket: b, access_key: a, secret_key: s}}\n"
    loaded = load(tmp_path, {"RECORDING_S3_REGION": "r"}, yaml=yaml)
    assert loaded.settings.recording.backend is not None
    assert loaded.origins["recording.backend.region"] == "environment RECORDING_S3_REGION"


@pytest.mark.parametrize(
    ("environ", "level"),
    [
        ({"RUST_LOG": "info,foo=debug"}, "info"),
        ({"RUST_LOG": "foo=debug"}, "info"),
        ({"RUST_LOG": "warn", "LOG_LEVEL": "DEBUG"}, "debug"),
        ({"RUST_LOG": "warn", "LOG_LEVEL": " "}, "warning"),
    ],
)
def test_the_log_level_falls_back_to_rust_log(
    tmp_path: Path, environ: dict[str, str], level: str
) -> None:
    assert load(tmp_path, environ).settings.logging.level == level


def test_relative_paths_start_at_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("")
    loaded = load(tmp_path, {"AUTH_SERVICE_URL": "http://x", "AUTH_SIGNING_KEY_PATH": "key.pem"})
    assert loaded.settings.auth.signing_key_path == Path("key.pem")

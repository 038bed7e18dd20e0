from pathlib import Path

import pytest

from sayna.settings.rules import exists, find_problems, find_warnings, readable
from sayna.settings.tree import Settings

SIP = {"room_prefix": "sip-", "allowed_addresses": ["192.0.2.0/24"]}
HOOK = {"host": "a.example", "url": "https://h.example/x", "auth_id": "t"}
SECRET = "0123456789abcdef"  # noqa: S105 - sixteen bytes, nobody's


def problems(folder: Path, **sections: object) -> list[str]:
    return [p.text for p in find_problems(Settings.model_validate(sections), folder)]


def warnings(folder: Path, **sections: object) -> list[str]:
    return list(find_warnings(Settings.model_validate(sections), folder))


def test_default_settings_are_sound(tmp_path: Path) -> None:
    assert problems(tmp_path) == []
    assert warnings(tmp_path) == []


@pytest.mark.parametrize(
    ("auth", "line"),
    [
        ({"required": True}, "auth.required (AUTH_REQUIRED): there is nothing to check"),
        ({"service_url": "http://x"}, "auth.signing_key_path (AUTH_SIGNING_KEY_PATH): is missing"),
        ({"signing_key_path": "key.pem"}, "auth.service_url (AUTH_SERVICE_URL): is missing"),
        ({"service_url": "http://x", "signing_key_path": "no.pem"}, "there is no file no.pem"),
        ({"required": True, "service_url": "http://x"}, "auth.signing_key_path"),
    ],
)
def test_the_auth_service_needs_all_its_parts(
    tmp_path: Path, auth: dict[str, object], line: str
) -> None:
    (tmp_path / "key.pem").write_text("")
    (told,) = problems(tmp_path, auth=auth)
    assert line in told


@pytest.mark.parametrize(
    ("secrets", "line"),
    [
        ([(" ", "s")], "the id of entry 0 is blank"),
        ([(" a ", "s")], "id ' a ' has whitespace around it"),
        ([("a", "s"), ("A", "t")], "id 'A' stands there twice"),
        ([("a", " ")], "the secret of id 'a' is blank"),
        ([("a", "s"), ("b", "s")], "id 'a' and id 'b' have the same secret"),
    ],
)
@pytest.mark.parametrize("required", [True, False])
def test_each_api_secret_has_an_id_and_a_value_of_its_own(
    tmp_path: Path, secrets: list[tuple[str, str]], line: str, required: bool
) -> None:
    entries = [{"id": name, "secret": value} for name, value in secrets]
    (told,) = problems(tmp_path, auth={"required": required, "api_secrets": entries})
    assert line in told


def test_a_bad_name_of_the_single_secret_is_blamed_on_its_own_setting(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, auth={"api_secret": "x", "api_secret_id": " a "})
    assert told.startswith("auth.api_secret_id (AUTH_API_SECRET_ID): ")


def test_secrets_may_have_spaces(tmp_path: Path) -> None:
    assert problems(tmp_path, auth={"api_secrets": [{"id": "a", "secret": " s "}]}) == []


@pytest.mark.parametrize(
    ("credentials", "line"),
    [
        ({}, "gcs needs credentials"),
        ({"credentials_path": "gone", "credentials_json": "{}"}, "takes one kind of credentials"),
        ({"credentials_path": "gone"}, "gone cannot be read"),
    ],
)
def test_google_storage_needs_one_kind_of_credentials(
    tmp_path: Path, credentials: dict[str, str], line: str
) -> None:
    backend = {"type": "gcs", "bucket": "b", **credentials}
    (told,) = problems(tmp_path, recording={"backend": backend})
    assert line in told


def test_google_storage_with_one_kind_of_credentials_is_fine(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text("{}")
    for one in ({"credentials_json": "{}"}, {"credentials_path": "key.json"}):
        backend = {"type": "gcs", "bucket": "b", **one}
        assert problems(tmp_path, recording={"backend": backend}) == []


def test_the_cache_is_a_folder_or_will_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert problems(tmp_path, cache={"path": "to/be/made"}) == []
    for path in ("file", "file/below", "file/far/below"):
        assert (
            f"{tmp_path / 'file'} is not" in problems(tmp_path, cache={"path": tmp_path / path})[0]
        )
    assert ": file is not a folder" in problems(tmp_path, cache={"path": "file"})[0]


@pytest.mark.parametrize(
    ("sip", "lines"),
    [
        ({}, ["sip.room_prefix", "sip.allowed_addresses"]),
        ({**SIP, "room_prefix": "a b"}, ["may hold letters, digits, - and _ only"]),
        ({**SIP, "room_prefix": "sip."}, ["may hold letters"]),
        ({**SIP, "allowed_addresses": []}, ["sip.allowed_addresses (SIP_ALLOWED_ADDRESSES)"]),
        ({**SIP, "outbound_auth_username": "u"}, ["sip.outbound_auth_password"]),
        ({**SIP, "outbound_auth_password": "p"}, ["sip.outbound_auth_username"]),
        ({**SIP, "hooks": [HOOK]}, ["has no secret; set SIP_HOOK_SECRET"]),
        ({**SIP, "hooks": [HOOK], "hook_secret": "short"}, ["sip.hook_secret", "has 5 bytes"][1:]),
        (
            {**SIP, "hooks": [{**HOOK, "secret": "short"}]},
            ["sip.hooks (SIP_HOOKS_JSON): the secret"],
        ),
        (
            {**SIP, "hook_secret": SECRET, "hooks": [HOOK, {**HOOK, "host": " A.Example "}]},
            ["'a.example' stands there twice"],
        ),
    ],
)
def test_phone_calls_need_what_they_need(
    tmp_path: Path, sip: dict[str, object], lines: list[str]
) -> None:
    told = problems(tmp_path, sip=sip)
    assert len(told) == len(lines)
    assert all(line in text for line, text in zip(lines, told, strict=True))


@pytest.mark.parametrize(
    "sip",
    [
        SIP,
        {**SIP, "room_prefix": "büro_1-X"},
        {**SIP, "hooks": [HOOK], "hook_secret": SECRET},
        {**SIP, "hooks": [{**HOOK, "secret": "ä" * 8}]},
        {**SIP, "hook_secret": "short"},
        {**SIP, "outbound_auth_username": "u", "outbound_auth_password": "p"},
    ],
)
def test_sound_phone_settings_pass(tmp_path: Path, sip: dict[str, object]) -> None:
    assert problems(tmp_path, sip=sip) == []


def test_a_hook_names_its_tenant_when_auth_is_on(tmp_path: Path) -> None:
    sip = {**SIP, "hook_secret": SECRET, "hooks": [{**HOOK, "auth_id": " "}]}
    assert problems(tmp_path, sip=sip) == []
    (told,) = problems(tmp_path, sip=sip, auth={"required": True, "api_secret": "x"})
    assert "has no auth_id" in told


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ({"livekit": {"api_key": "k"}}, "work together only"),
        ({"livekit": {"api_secret": "s"}}, "work together only"),
        ({"auth": {"api_secret": "x"}}, "auth.required is off"),
        (
            {"auth": {"required": True, "api_secret": "x", "service_url": "http://x"}},
            "never asked while there are API secrets",
        ),
        (
            {"auth": {"required": True, "service_url": "127.0.0.1:1/x"}},
            "not a complete http or https URL",
        ),
        (
            {"sip": {**SIP, "hook_secret": SECRET, "hooks": [{**HOOK, "url": "http://h"}]}},
            "told over plain http",
        ),
        ({"providers": {"local": {"grammars_path": "gone"}}}, "there is no folder gone"),
        ({"providers": {"local": {"models_path": "gone"}}}, "there is no folder gone"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(
    tmp_path: Path, sections: dict[str, object], line: str
) -> None:
    (told,) = warnings(tmp_path, **sections)
    assert line in told


def test_paths_that_lead_nowhere_do_not_exist(tmp_path: Path) -> None:
    assert exists(tmp_path)
    assert not exists(tmp_path / "gone")
    assert not readable(tmp_path)


@pytest.mark.parametrize("url", ["::::", "localhost:7880", "ftp://a", "ws://", "ws://a:b"])
def test_livekit_must_have_an_address_where_it_is_used(tmp_path: Path, url: str) -> None:
    keys = {"api_key": "k", "api_secret": "s"}
    assert problems(tmp_path, livekit={"url": url}) == []
    (told,) = problems(tmp_path, livekit={"url": url, **keys})
    assert told == ("livekit.url (LIVEKIT_URL): is not a complete ws, wss, http or https URL")


@pytest.mark.parametrize("scheme", ["ws", "wss", "http", "https"])
def test_livekit_may_be_addressed_in_four_schemes(tmp_path: Path, scheme: str) -> None:
    livekit = {"url": f"{scheme}://a:7880/x", "api_key": "k", "api_secret": "s"}
    assert problems(tmp_path, livekit=livekit) == []

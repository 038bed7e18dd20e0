"""`sayna check` shows what counts, where it came from, and what is wrong; never a secret."""

from pathlib import Path

import pytest

from tests.cli.running import run


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_each_setting_is_shown_with_its_source(tmp_path: Path) -> None:
    (tmp_path / "sayna.yaml").write_text("server: {port: 4567}\n")
    result = run("check", "-c", "sayna.yaml", env={"HOST": "127.0.0.1"})
    assert result.exit_code == 0
    assert "server.host = 127.0.0.1  (environment HOST)" in result.output
    assert "server.port = 4567" in result.output
    assert "sayna.yaml" in result.output
    assert "logging.level = info  (default)" in result.output


def test_secrets_are_masked() -> None:
    env = {"DEEPGRAM_API_KEY": "dg-hush", "AUTH_API_SECRET": "hush-hush", "AUTH_REQUIRED": "true"}
    result = run("check", env=env)
    assert result.exit_code == 0
    assert "hush" not in result.output
    assert "providers.deepgram_api_key = ****" in result.output


def test_every_fault_is_told_and_the_status_is_1() -> None:
    result = run("check", env={"PORT": "abc", "CACHE_TTL_SECONDS": "soon"})
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 2
    assert result.stdout == ""


def test_a_key_that_would_stop_the_start_is_told(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("no key")
    env = {"AUTH_SERVICE_URL": "http://a", "AUTH_SIGNING_KEY_PATH": "key.pem"}
    assert run("check", env=env).exit_code == 0  # nobody will use it
    result = run("check", env={**env, "AUTH_REQUIRED": "true"})
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: auth.signing_key_path: key.pem cannot be used")
    assert result.stdout == ""


def test_an_unknown_key_is_a_warning_unless_strict(tmp_path: Path) -> None:
    (tmp_path / "sayna.yaml").write_text("server: {prot: 4567}\n")
    lax = run("check", "-c", "sayna.yaml")
    assert lax.exit_code == 0
    assert lax.stderr.startswith("Warning: ")
    assert "port" in lax.stderr
    strict = run("check", "-c", "sayna.yaml", "--strict")
    assert strict.exit_code == 1
    assert strict.stderr.startswith("Error: ")
    assert "server.port = 3001" in strict.stdout


def test_strict_is_content_without_warnings() -> None:
    assert run("check", "--strict", env={"HOST": "127.0.0.1"}).exit_code == 0

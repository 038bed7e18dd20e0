"""`sayna doctor` is green on a sound installation and names the cure of a broken part."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from sayna.cli.checkup import Finding
from sayna.cli.doctor import examine_all, first_secret
from sayna.settings.load import load_settings
from tests.running import clean_environment

LIMIT_S = 120


def doctor(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "sayna", "doctor", *arguments],
        cwd=folder,
        env=clean_environment(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


def states(output: str) -> Mapping[str, str]:
    lines = [line.split() for line in output.splitlines() if line[:1] != " "]
    return {words[1]: words[0] for words in lines if words[0] in {"ok", "off", "FAIL"}}


async def test_unsound_settings_are_findings_and_no_server_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "abc")
    monkeypatch.setenv("AUTH_REQUIRED", "perhaps")
    found = await examine_all(None, None)
    assert [(item.part, item.state) for item in found] == [("settings", "FAIL")] * 2
    assert all("sayna check" in item.cure for item in found)


async def test_a_server_that_does_not_start_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PORT", raising=False)
    program = tmp_path / "fail"
    program.write_text("#!/bin/sh\necho 'Error: cannot listen' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("sayna.cli.own_server.sys.executable", str(program))
    *_, server = await examine_all(None, None)
    assert server == Finding(
        "server",
        "FAIL",
        "did not start: Error: cannot listen",
        "run `sayna serve` and read what it says",
    )


def test_the_first_secret_opens_a_server_with_secrets(tmp_path: Path) -> None:
    secret = {"AUTH_API_SECRET": "hush"}
    on = load_settings(environ={"AUTH_REQUIRED": "true", **secret}, cwd=tmp_path).settings
    off = load_settings(environ=secret, cwd=tmp_path).settings
    assert first_secret(on) == "hush"
    assert first_secret(off) is None


@pytest.mark.slow
def test_a_sound_installation_is_green(tmp_path: Path) -> None:
    done = doctor(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = states(done.stdout)
    assert found["settings"] == found["server"] == found["openapi"] == found["voices"] == "ok"
    assert found["speak"] == found["listen"] == "ok"
    assert found["auth"] == "off"
    assert "FAIL" not in done.stdout


@pytest.mark.slow
def test_it_lets_itself_in_where_secrets_are_asked_for(tmp_path: Path) -> None:
    done = doctor(
        tmp_path, AUTH_REQUIRED="true", AUTH_API_SECRETS_JSON='[{"id": "a", "secret": "hush"}]'
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert states(done.stdout)["auth"] == "ok"
    assert "hush" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_broken_part_is_named_with_its_cure_and_the_status_is_1(tmp_path: Path) -> None:
    (tmp_path / "grammars").mkdir()
    (tmp_path / "grammars" / "demo.gram").write_text(
        "#JSGF V1.0;\ngrammar demo;\npublic <word> = goodbye;\n"
    )
    (tmp_path / "cache" / ".doctor").mkdir(parents=True)  # in the way of the probe, for root too
    done = doctor(
        tmp_path,
        LOCAL_GRAMMARS_PATH=str(tmp_path / "grammars"),
        CACHE_PATH=str(tmp_path / "cache"),
    )
    assert done.returncode == 1
    found = states(done.stdout)
    assert found["speak"] == "ok"
    assert found["listen"] == "FAIL"
    assert found["cache"] == "FAIL"
    assert done.stdout.count("cure: ") == 2
    assert done.stdout.splitlines()[-1] == "2 broken."

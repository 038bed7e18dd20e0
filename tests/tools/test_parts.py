"""A missing program is named with its cure and is no error; one that is there is left alone."""

import os
import shutil
import subprocess
from collections.abc import Sequence

import pytest

from tools import parts

ABSENT = parts.DebianPart("no-such-program", "no-such-package", "opens nothing")
PRESENT = parts.DebianPart("sh", "dash", "runs scripts")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[parts.DebianPart]]:
    calls: list[Sequence[parts.DebianPart]] = []
    monkeypatch.setattr(parts, "install", calls.append)
    monkeypatch.setattr(parts, "PARTS", (PRESENT, ABSENT))
    monkeypatch.setattr(shutil, "which", {"sh": "/bin/sh", "apt-get": "/usr/bin/apt-get"}.get)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return calls


def test_only_what_is_missing_is_installed(installed: list[Sequence[parts.DebianPart]]) -> None:
    assert parts.main() == 0
    assert installed == [[ABSENT]]


def test_who_may_not_install_is_told_how(
    installed: list[Sequence[parts.DebianPart]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert parts.main() == 0
    assert installed == []
    said = capsys.readouterr().out
    assert "missing: no-such-program (opens nothing)" in said
    assert "apt-get install no-such-package" in said
    assert "dash" not in said


@pytest.mark.usefixtures("installed")
def test_an_installation_that_fails_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Sequence[parts.DebianPart]) -> None:
        raise subprocess.CalledProcessError(100, "apt-get")

    monkeypatch.setattr(parts, "install", fail)
    assert parts.main() == 0
    said = capsys.readouterr()
    assert "Could not install" in said.err
    assert "missing: no-such-program" in said.out

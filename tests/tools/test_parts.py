"""A missing program is named with its cure and is no error; one that is there is left alone."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools import parts

ABSENT = parts.DebianPart("no-such-program", "no-such-package", "opens nothing")
PRESENT = parts.DebianPart("sh", "dash", "runs scripts")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[parts.DebianPart]]:
    calls: list[Sequence[parts.DebianPart]] = []
    monkeypatch.setattr(parts, "install", calls.append)
    monkeypatch.setattr(parts, "DEBIAN", (PRESENT, ABSENT))
    monkeypatch.setattr(parts, "PARTS", (PRESENT, ABSENT))
    monkeypatch.setattr(parts.PythonPart, "present", True)
    monkeypatch.setattr(shutil, "which", {"sh": "/bin/sh", "apt-get": "/usr/bin/apt-get"}.get)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return calls


def test_only_what_is_missing_is_installed(installed: list[Sequence[parts.DebianPart]]) -> None:
    assert parts.get() == 0
    assert installed == [[ABSENT]]


def test_who_may_not_install_is_told_how(
    installed: list[Sequence[parts.DebianPart]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert parts.get() == 0
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
    assert parts.get() == 0
    said = capsys.readouterr()
    assert "Could not install" in said.err
    assert "missing: no-such-program" in said.out


def test_an_environment_is_present_only_while_it_holds_what_its_lock_says(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("package==1")
    part = parts.PythonPart(str(tmp_path / "environment"), lock, "proves something")
    assert not part.present
    part.folder.mkdir()
    (part.folder / "lock").write_text(part._hash())
    assert part.present
    lock.write_text("package==2")
    assert not part.present


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_a_missing_environment_fails_only_in_ci(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ci: str, status: int
) -> None:
    monkeypatch.setattr(parts.PythonPart, "present", False)
    monkeypatch.setenv("CI", ci)
    assert parts.main(["--run", "engines", "tests"]) == status
    assert "make parts" in capsys.readouterr().out


class Builds:
    """Counts how often a part is built; may fail."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, present: bool, fails: bool = False
    ) -> None:
        self.count = 0
        self._fails = fails
        monkeypatch.setattr(parts.PythonPart, "present", present)
        monkeypatch.setattr(parts.PythonPart, "install", lambda _: self._build())

    def _build(self) -> None:
        self.count += 1
        if self._fails:
            raise subprocess.CalledProcessError(1, "pip")


@pytest.mark.parametrize(("present", "count"), [(False, 1), (True, 0)])
def test_what_is_only_measured_with_is_built_when_it_is_asked_for_and_missing(
    monkeypatch: pytest.MonkeyPatch, present: bool, count: int
) -> None:
    builds = Builds(monkeypatch, present=present)
    assert parts.main(["bench"]) == 0
    assert builds.count == count


def test_what_is_only_measured_with_is_not_built_with_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    builds = Builds(monkeypatch, present=False)
    monkeypatch.setattr(parts, "DEBIAN", ())
    assert parts.main([]) == 0
    assert builds.count == 1
    said = capsys.readouterr().out
    assert str(parts.ENGINES.folder) in said
    assert str(parts.BENCH.folder) not in said


def test_a_part_that_was_asked_for_and_cannot_be_built_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Builds(monkeypatch, present=False, fails=True)
    assert parts.main(["bench"]) == 1
    assert "Could not install" in capsys.readouterr().err


def test_each_environment_is_locked_and_says_how_to_get_it() -> None:
    root = Path(__file__).parents[2]
    rules = (root / "Makefile").read_text()
    for part in (parts.ENGINES, parts.BENCH):
        assert (root / part.lock).is_file()
        assert f"\n{part.cure.removeprefix('make ')}:" in rules

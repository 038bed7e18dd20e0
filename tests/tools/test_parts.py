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
    monkeypatch.setattr(parts, "GO", ())
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
    monkeypatch.setattr(parts, "GO", ())
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


class Builder:
    """Stands in for `go install`: leaves a program that is called like its folder in the module."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.asked: list[str] = []
        monkeypatch.chdir(folder)
        monkeypatch.setattr(subprocess, "run", self._run)

    def _run(self, command: list[str], *, check: bool, env: dict[str, str]) -> None:
        assert check
        module, _, version = command[-1].rpartition("@")
        self.asked.append(command[-1])
        if module.endswith("broken"):
            raise subprocess.CalledProcessError(1, "go")
        (Path(env["GOBIN"]) / module.rpartition("/")[2]).write_text(version)


def go_part(program: str, module: str, version: str = "1.2.3") -> parts.GoPart:
    return parts.GoPart(program, module, version, "proves something", minutes=1)


def test_programs_of_one_name_are_built_apart_and_renamed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    builder = Builder(monkeypatch, tmp_path)
    both = [go_part("one", "example.org/one/server"), go_part("two", "example.org/two/server")]
    parts.build_programs(both)
    assert builder.asked == ["example.org/one/server@v1.2.3", "example.org/two/server@v1.2.3"]
    assert [part.present for part in both] == [True, True]
    assert sorted(path.name for path in parts.PROGRAMS.iterdir()) == [
        "one",
        "one.version",
        "two",
        "two.version",
    ]


def test_a_program_is_present_only_in_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Builder(monkeypatch, tmp_path)
    part = go_part("one", "example.org/one")
    assert not part.present
    part.install()
    assert part.present
    assert not go_part("one", "example.org/one", "1.2.4").present
    part.path.unlink()
    assert not part.present


def test_a_program_that_cannot_be_built_does_not_keep_the_others_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Builder(monkeypatch, tmp_path)
    broken, sound = go_part("one", "example.org/broken"), go_part("two", "example.org/two")
    parts.build_programs([broken, sound])
    assert (broken.present, sound.present) == (False, True)
    said = capsys.readouterr()
    assert "[2/2] Building two 1.2.3" in said.out
    assert "Could not build one" in said.err


def test_without_go_the_cure_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(parts.PythonPart, "present", True)
    assert parts.get() == 0
    said = capsys.readouterr().out
    assert "missing: livekit-server (holds rooms, for real)" in said
    assert "put Go 1.26 or newer into the PATH" in said


def test_with_go_what_is_missing_is_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    builder = Builder(monkeypatch, tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "apt-get" else f"/bin/{name}")
    monkeypatch.setattr(parts.PythonPart, "present", True)
    assert parts.get() == 0
    assert parts.get() == 0
    assert builder.asked == [f"{part.module}@v{part.version}" for part in parts.GO]
    assert all(part.present and part.cure == "make parts" for part in parts.GO)

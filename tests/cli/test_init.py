"""`sayna init` brings the models, tells how far it is, and says what is in the way."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sayna.cli import init
from sayna.inference.catalogue import CATALOGUE, Model
from sayna.inference.downloads import DownloadFailed, Fetched
from tests.cli.running import run

Progress = Callable[[Model, int, int | None], None]


class FakeDownloads:
    """Fetches nothing; remembers where to, and pretends progress."""

    def __init__(self) -> None:
        self.folders: list[Path] = []
        self.failure: DownloadFailed | None = None

    def fetch_all(self, folder: Path, *, progress: Progress) -> list[Fetched]:
        was_here = bool(self.folders)
        self.folders.append(folder)
        for model in CATALOGUE:
            if not was_here:
                progress(model, model.wheel_size // 2, None)
                progress(model, model.wheel_size, model.wheel_size)
            if self.failure:
                raise self.failure
        return [Fetched(model, folder / model.name, was_here) for model in CATALOGUE]


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeDownloads:
    monkeypatch.chdir(tmp_path)
    fake = FakeDownloads()
    monkeypatch.setattr(init, "fetch_all", fake.fetch_all)
    return fake


def test_models_go_below_the_cache_folder_of_the_environment(
    downloads: FakeDownloads, tmp_path: Path
) -> None:
    result = run("init", env={"CACHE_PATH": str(tmp_path / "c")})
    assert result.exit_code == 0, result.output
    assert downloads.folders == [tmp_path / "c" / "models"]
    for model in CATALOGUE:
        assert f"{model.name}: fetched" in result.output


def test_the_cache_folder_of_a_settings_file_counts_too(
    downloads: FakeDownloads, tmp_path: Path
) -> None:
    (tmp_path / "sayna.yaml").write_text(f"cache: {{path: {tmp_path / 'd'}}}\n")
    assert run("init", "-c", "sayna.yaml", env={"CACHE_PATH": None}).exit_code == 0
    assert downloads.folders == [tmp_path / "d" / "models"]


def test_without_a_cache_folder_the_cure_is_told(downloads: FakeDownloads) -> None:
    result = run("init", env={"CACHE_PATH": None})
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "CACHE_PATH" in result.stderr
    assert downloads.folders == []


def test_a_second_run_says_that_all_is_there(downloads: FakeDownloads, tmp_path: Path) -> None:
    env = {"CACHE_PATH": str(tmp_path)}
    run("init", env=env)
    again = run("init", env=env)
    assert again.exit_code == 0
    assert again.output.count(": is there") == len(CATALOGUE)


def test_a_failure_is_one_line_without_a_traceback(
    downloads: FakeDownloads, tmp_path: Path
) -> None:
    downloads.failure = DownloadFailed("the disk is full: make room")
    result = run("init", env={"CACHE_PATH": str(tmp_path)})
    assert result.exit_code == 1
    assert result.stderr.endswith("Error: the disk is full: make room\n")
    assert "Traceback" not in result.output

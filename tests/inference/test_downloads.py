"""Models for `sayna init`: fetched, checked, put in place, or one line that says why not."""

import errno
import fcntl
import hashlib
import io
import shutil
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sayna.inference import downloads
from sayna.inference.catalogue import CATALOGUE, Model
from sayna.inference.downloads import DownloadFailed, Fetched, Index, fetch_all, missing
from sayna.inference.fetch import Clock
from sayna.inference.package_index import Wheel, find_wheel
from tests.inference.package_server import PackageServer, serving

WEIGHTS = bytes(range(256)) * 3_000


def wheel_of(content: bytes) -> bytes:
    """Return a wheel that holds the model among other files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tiny/__init__.py", "")
        archive.writestr("tiny/data/tiny.onnx", content)
    return file.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


WHEEL = wheel_of(WEIGHTS)
TINY = Model(
    "tiny.onnx", "is a test", "tiny", "1.0", "tiny/data/tiny.onnx",
    len(WEIGHTS), sha256(WEIGHTS), len(WHEEL), sha256(WHEEL), "MIT",
)  # fmt: skip
HASTY = Clock(wait=lambda seconds: None)


@pytest.fixture
def server() -> Iterator[PackageServer]:
    with serving(WHEEL) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "models"


class Shelf:
    """An index that names one server, and counts what it is asked."""

    def __init__(self, server: PackageServer, digest: str | None = None) -> None:
        self._wheel = Wheel(server.url, digest)
        self.asked = 0
        self.fetched_by_pip = 0

    @property
    def index(self) -> Index:
        return Index(self._find, self._download)

    def _find(self, model: Model) -> Wheel:
        self.asked += 1
        return self._wheel

    def _download(self, model: Model, folder: Path) -> Path:
        self.fetched_by_pip += 1
        (folder / "tiny.whl").write_bytes(WHEEL)
        return folder / "tiny.whl"


def bring(folder: Path, shelf: Shelf, model: Model = TINY) -> Fetched:
    (fetched,) = fetch_all(folder, models=[model], index=shelf.index, clock=HASTY)
    return fetched


def left_behind(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock", "tiny.onnx"}


def test_a_model_is_fetched_into_a_folder_that_is_made(folder: Path, server: PackageServer) -> None:
    told: list[tuple[str, int, int | None]] = []
    fetched = fetch_all(
        folder,
        models=[TINY],
        progress=lambda model, done, total: told.append((model.name, done, total)),
        index=Shelf(server).index,
    )
    assert fetched == [Fetched(TINY, folder / "tiny.onnx", was_here=False)]
    assert (folder / "tiny.onnx").read_bytes() == WEIGHTS
    assert told[-1] == ("tiny.onnx", len(WHEEL), len(WHEEL))
    assert left_behind(folder) == set()


def test_a_model_that_is_there_is_left_alone(folder: Path, server: PackageServer) -> None:
    shelf = Shelf(server)
    bring(folder, shelf)
    before = (folder / "tiny.onnx").stat()
    assert bring(folder, shelf).was_here
    assert (folder / "tiny.onnx").stat().st_mtime_ns == before.st_mtime_ns
    assert shelf.asked == 1


@pytest.mark.parametrize("content", [b"", WEIGHTS[:-1], WEIGHTS[:-1] + b"\x00", b"foreign"])
def test_a_truncated_or_foreign_file_is_replaced(
    content: bytes, folder: Path, server: PackageServer
) -> None:
    folder.mkdir(parents=True)
    (folder / "tiny.onnx").write_bytes(content)
    assert missing(folder, [TINY]) == [TINY]
    assert not bring(folder, Shelf(server)).was_here
    assert (folder / "tiny.onnx").read_bytes() == WEIGHTS
    assert missing(folder, [TINY]) == []


def test_everything_is_missing_from_a_folder_that_is_not_there(folder: Path) -> None:
    assert missing(folder) == list(CATALOGUE)


def test_a_line_that_breaks_costs_nothing_twice(folder: Path, server: PackageServer) -> None:
    server.cut_after = len(WHEEL) // 3
    bring(folder, Shelf(server))
    assert (folder / "tiny.onnx").read_bytes() == WEIGHTS
    assert len(server.asked) == 4
    assert left_behind(folder) == set()


def test_what_broke_off_is_kept_for_the_next_run(folder: Path, server: PackageServer) -> None:
    server.cut_after = 1_000
    server.statuses = []
    broken = Shelf(server)
    with pytest.raises(DownloadFailed, match="run `sayna init` again"):
        fetch_all(folder, models=[TINY], index=broken.index, clock=_over_at_once())
    kept = (folder / "tiny-1.0.whl.part").stat().st_size
    assert kept > 0
    server.cut_after = None
    bring(folder, broken)
    assert server.asked[-1]["Range"] == f"bytes={kept}-"
    assert left_behind(folder) == set()


def _over_at_once() -> Clock:
    times = iter([0.0, 0.0, *[1e9] * 1_000])
    return Clock(lambda: next(times), lambda seconds: None)


def test_an_index_that_states_another_hash_is_refused_before_any_byte(
    folder: Path, server: PackageServer
) -> None:
    with pytest.raises(DownloadFailed, match=r"another tiny==1.0 .*SHA-256 differs"):
        bring(folder, Shelf(server, digest="0" * 64))
    assert server.asked == []


def test_a_server_that_lies_about_the_hash_is_found_out(
    folder: Path, server: PackageServer
) -> None:
    server.content = WHEEL[:-1] + b"\xff"
    with pytest.raises(DownloadFailed, match="thrown away"):
        bring(folder, Shelf(server, digest=TINY.wheel_sha256))
    assert left_behind(folder) == set()
    assert not (folder / "tiny.onnx").exists()
    server.content = WHEEL
    bring(folder, Shelf(server))


def test_a_server_that_gives_a_file_of_another_size_is_found_out(
    folder: Path, server: PackageServer
) -> None:
    server.content = WHEEL + b"more"
    with pytest.raises(DownloadFailed, match="were expected"):
        bring(folder, Shelf(server))


def test_a_wheel_without_the_model_is_an_error(folder: Path, server: PackageServer) -> None:
    with pytest.raises(DownloadFailed, match=r"lacks tiny\.onnx"):
        bring(folder, Shelf(server), replace(TINY, member="tiny/other.onnx"))
    assert left_behind(folder) == set()


def test_a_model_that_is_not_the_pinned_one_is_never_put_in_place(
    folder: Path, server: PackageServer
) -> None:
    folder.mkdir(parents=True)
    (folder / "tiny.onnx").write_bytes(b"the one before")
    with pytest.raises(DownloadFailed, match="within its wheel"):
        bring(folder, Shelf(server), replace(TINY, sha256="0" * 64))
    assert (folder / "tiny.onnx").read_bytes() == b"the one before"
    assert left_behind(folder) == set()


def test_an_index_that_wants_a_login_is_left_to_pip(folder: Path, server: PackageServer) -> None:
    server.statuses = [401]
    shelf = Shelf(server)
    bring(folder, shelf)
    assert shelf.fetched_by_pip == 1
    assert left_behind(folder) == set()


def test_two_runs_at_once_take_turns(folder: Path, server: PackageServer) -> None:
    shelf = Shelf(server)
    results: list[Fetched] = []
    runs = [threading.Thread(target=lambda: results.append(bring(folder, shelf))) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(20)
    assert sorted(result.was_here for result in results) == [False, True, True, True]
    assert len(server.asked) == 1


def test_a_run_does_not_wait_for_another_for_ever(folder: Path, server: PackageServer) -> None:
    folder.mkdir(parents=True)
    waited: list[float] = []
    clock = Clock(lambda: sum(waited), waited.append)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DownloadFailed, match="another `sayna init`"):
            fetch_all(folder, models=[TINY], index=Shelf(server).index, clock=clock)
    assert sum(waited) == pytest.approx(downloads.LOCK_PATIENCE_S, abs=1)


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "disk is full: make room for cache/models"),
        (errno.EACCES, "cache/models may not be written to: set cache.path"),
        (errno.EIO, "cache/models cannot be used"),
    ],
)
def test_a_disk_that_refuses_is_one_line_with_the_cure(
    number: int, cure: str, folder: Path, server: PackageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: object, sink: object) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(shutil, "copyfileobj", refuse)
    with pytest.raises(DownloadFailed, match=cure):
        bring(folder, Shelf(server))
    assert left_behind(folder) == set()


def test_a_file_where_the_folder_should_be_is_an_error(folder: Path, server: PackageServer) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_bytes(b"")
    with pytest.raises(DownloadFailed, match=r"set cache\.path"):
        bring(folder, Shelf(server))


def test_leftovers_of_a_run_that_was_killed_are_cleared(
    folder: Path, server: PackageServer
) -> None:
    folder.mkdir(parents=True)
    (folder / ".tiny.onnx-abc").write_bytes(b"half")
    bring(folder, Shelf(server))
    assert left_behind(folder) == set()


@pytest.mark.slow
def test_the_real_models_can_be_had_where_an_index_can_be_reached(folder: Path) -> None:
    try:
        find_wheel(CATALOGUE[0])
    except DownloadFailed as error:
        pytest.skip(f"no package index here: {error}")
    fetched = fetch_all(folder)
    assert [each.model for each in fetched] == list(CATALOGUE)
    assert missing(folder) == []
    assert {path.name for path in folder.iterdir()} == {".lock", *(m.name for m in CATALOGUE)}

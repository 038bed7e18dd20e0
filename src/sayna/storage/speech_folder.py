"""A folder of utterances: `<two hex digits>/<key>`, drafts beside them. Blocks; for threads only.

A file is written as a draft, forced to the disk and renamed, so a key leads to a whole utterance or
to none, whatever dies when, and however many processes share the folder. A draft is locked while
somebody writes it; one that nobody holds was left by a crash. A file's modification time is when it
was last read.
"""

import errno
import fcntl
import os
import re
import stat
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sayna.storage.speech_file import (
    HEADING_BYTES,
    MAX_FACTS_BYTES,
    StoredSpeech,
    UnsoundFile,
    parse_speech,
    render_speech,
)

MAX_AUDIO_BYTES = 8 * 2**20
"""Bytes of the longest utterance that is kept."""

MAX_FILE_BYTES = MAX_AUDIO_BYTES + HEADING_BYTES + MAX_FACTS_BYTES
DRAFTS = "drafts"
SHARD = re.compile(r"[0-9a-f]{2}")
KEY = re.compile(r"[0-9a-f]{64}")
NOT_OURS = frozenset({errno.ELOOP, errno.EACCES, errno.ENOTDIR, errno.ENXIO})
"""What opening something says that is no file of ours: a link, another user's, a device."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of the folder."""

    read_s: float
    """Seconds since 1970: when it was last read, or else written."""
    size: int
    path: Path


class SpeechFolder:
    """Utterances on disk, by key: the SHA-256 of what makes them differ, in lower-case hex."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._drafts = path / DRAFTS

    def load(self, key: str, now_s: float, ttl_s: float) -> StoredSpeech | None:
        """Return an utterance and note that it was read; what is old or unsound is removed.

        Raises:
            OSError: the disk is in trouble; the file may be sound.
        """
        path = self._path_of(key)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in NOT_OURS:
                raise
            self.remove([path])
            return None
        try:
            speech = parse_speech(key, _read_whole(descriptor))
            if speech.is_live(now_s, ttl_s):
                with suppress(PermissionError):  # another user's: it only ages sooner
                    os.utime(descriptor, (now_s, now_s))
                return speech
        except UnsoundFile:
            pass
        finally:
            os.close(descriptor)
        self.remove([path])
        return None

    def save(self, key: str, speech: StoredSpeech, now_s: float) -> int:
        """Keep an utterance in place of any other of its key.

        Returns:
            Its size in bytes; 0 when another process took the draft for one without an owner.

        Raises:
            OSError: the disk did not take it; nothing has changed.
        """
        path = self._path_of(key)
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self._drafts, path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        draft = self._drafts / f"{key}.{uuid.uuid4().hex}"
        content = render_speech(key, speech)
        try:
            _write_locked(draft, path, content, now_s)
        except (BlockingIOError, FileNotFoundError):
            return 0
        except OSError:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
        return len(content)

    def touch(self, key: str, now_s: float) -> None:
        """Note that an utterance was used, wherever it was read from."""
        with suppress(OSError):
            os.utime(self._path_of(key), (now_s, now_s), follow_symlinks=False)

    def remove_orphans(self) -> int:
        """Remove the drafts that nobody is writing any more; return how many there were."""
        with suppress(FileNotFoundError), os.scandir(self._drafts) as found:
            return sum(_remove_orphan(entry.path) for entry in found)
        return 0

    def shards(self) -> list[Path]:
        """Return the folders that hold utterances."""
        with suppress(FileNotFoundError), os.scandir(self._path) as found:
            return [Path(entry.path) for entry in found if SHARD.fullmatch(entry.name)]
        return []

    def look_through(self, shard: Path, oldest_s: float) -> list[Kept]:
        """Return what a folder holds; what was last read before `oldest_s` is removed.

        Files with names that we do not give are somebody else's and stay.
        """
        kept: list[Kept] = []
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(shard) as found:
            for entry in found:
                if not KEY.fullmatch(entry.name):
                    continue
                with suppress(FileNotFoundError):
                    about = entry.stat(follow_symlinks=False)
                    kept.append(Kept(about.st_mtime, about.st_size, Path(entry.path)))
        self.remove(one.path for one in kept if one.read_s < oldest_s)
        return [one for one in kept if one.read_s >= oldest_s]

    def remove(self, paths: Iterable[Path]) -> None:
        """Remove files; what is gone already or cannot be removed is left alone."""
        for path in paths:
            with suppress(OSError):
                path.unlink()

    def _path_of(self, key: str) -> Path:
        return self._path / key[:2] / key


def _read_whole(descriptor: int) -> bytes:
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_FILE_BYTES:
        raise UnsoundFile("too large, or no file at all")
    content = bytearray()
    while part := os.read(descriptor, about.st_size + 1 - len(content)):
        content += part
    return bytes(content)


def _write_locked(draft: Path, path: Path, content: bytes, now_s: float) -> None:
    """Write a draft and let it take its place; our lock on it ends with us, even by a crash."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        os.utime(file.fileno(), (now_s, now_s))
        draft.replace(path)


def _remove_orphan(draft: str) -> bool:
    try:
        with Path(draft).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Path(draft).unlink()
    except OSError:  # somebody is writing it, or has finished
        return False
    return True

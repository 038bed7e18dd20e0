import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sayna.speech.protocols import AudioFormat
from sayna.storage.speech_file import StoredSpeech, render_speech
from sayna.storage.speech_folder import MAX_FILE_BYTES, SpeechFolder

KEY = "ab" * 32
OTHER = "cd" * 32
NOW, TTL = 1_700_000_000.0, 600.0


def speech(audio: bytes = b"sound", created_s: float = NOW) -> StoredSpeech:
    return StoredSpeech(audio, AudioFormat("linear16", 16_000), created_s, created_s + TTL)


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def load(folder: Path, key: str = KEY, now_s: float = NOW) -> StoredSpeech | None:
    return SpeechFolder(folder).load(key, now_s, TTL)


def put(folder: Path, content: bytes, key: str = KEY) -> Path:
    path = folder / key[:2] / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_what_is_saved_is_loaded_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    size = SpeechFolder(tmp_path / "a" / "speech").save(KEY, speech(), NOW)
    assert load(tmp_path / "a" / "speech") == speech()
    [file] = files_in(tmp_path)
    assert file == tmp_path / "a" / "speech" / "ab" / KEY
    assert file.stat().st_size == size
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.parent.stat().st_mode & 0o777 == 0o700


def test_what_was_never_saved_is_not_there(tmp_path: Path) -> None:
    assert load(tmp_path / "nowhere") is None
    assert SpeechFolder(tmp_path / "nowhere").shards() == []
    assert SpeechFolder(tmp_path / "nowhere").remove_orphans() == 0
    assert SpeechFolder(tmp_path).look_through(tmp_path / "ab", 0) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        render_speech(KEY, speech())[:-1],
        render_speech(KEY, speech()) + b"\0",
        render_speech(OTHER, speech()),
        bytes(MAX_FILE_BYTES + 1),
    ],
)
def test_an_unsound_file_is_a_miss_and_gone(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, content)
    assert load(tmp_path) is None
    assert files_in(tmp_path) == []


def test_links_pipes_and_folders_are_misses(tmp_path: Path) -> None:
    path = put(tmp_path, b"")
    secret = tmp_path / "secret"
    secret.write_bytes(render_speech(KEY, speech()))
    path.unlink()
    path.symlink_to(secret)
    assert load(tmp_path) is None
    assert secret.exists()
    os.mkfifo(path)  # opened without care it would hold us for ever
    assert load(tmp_path) is None
    path.mkdir()
    assert load(tmp_path) is None
    path.rmdir()
    path.parent.rmdir()
    path.parent.write_bytes(b"a file in the place of a folder")
    assert load(tmp_path) is None


def test_expired_speech_is_a_miss_and_gone(tmp_path: Path) -> None:
    folder = SpeechFolder(tmp_path)
    folder.save(KEY, speech(), NOW)
    assert folder.load(KEY, NOW + TTL - 1, TTL) is not None
    assert folder.load(KEY, NOW + TTL, TTL) is None
    assert files_in(tmp_path) == []


def test_a_disk_in_trouble_is_told_and_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = SpeechFolder(tmp_path)
    folder.save(KEY, speech(), NOW)

    def refuse(*_args: object, **_kw: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as broken:
        broken.setattr(os, "open", refuse)
        with pytest.raises(OSError, match="Too many"):
            folder.load(KEY, NOW, TTL)
    assert folder.load(KEY, NOW, TTL) == speech()


DIES_IN_MID_WRITE = """
import os, signal, sys
from pathlib import Path
from sayna.speech.protocols import AudioFormat
from sayna.storage.speech_file import StoredSpeech
from sayna.storage.speech_folder import SpeechFolder
os.fsync = lambda _file: os.kill(os.getpid(), signal.SIGKILL)
new = StoredSpeech(b"new" * 1000, AudioFormat("linear16", 16000), 1.7e9, 1.8e9)
SpeechFolder(Path(sys.argv[1])).save(sys.argv[2], new, 1.7e9)
"""


def test_a_crash_in_mid_write_leaves_the_old_file_and_a_draft_that_is_tidied_away(
    tmp_path: Path,
) -> None:
    folder = SpeechFolder(tmp_path)
    folder.save(KEY, speech(b"old"), NOW)
    dying = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", DIES_IN_MID_WRITE, str(tmp_path), KEY], check=False
    )
    assert dying.returncode == -signal.SIGKILL
    assert len(files_in(tmp_path / "drafts")) == 1
    assert load(tmp_path) == speech(b"old")
    assert folder.remove_orphans() == 1
    assert files_in(tmp_path) == [tmp_path / "ab" / KEY]


def test_a_draft_that_somebody_is_writing_is_no_orphan(tmp_path: Path) -> None:
    drafts = tmp_path / "drafts"
    drafts.mkdir()
    with (drafts / f"{KEY}.1").open("wb") as writing:
        fcntl.flock(writing, fcntl.LOCK_EX)
        assert SpeechFolder(tmp_path).remove_orphans() == 0
    assert SpeechFolder(tmp_path).remove_orphans() == 1


def test_a_draft_taken_away_while_it_was_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync_and_lose(_descriptor: int) -> None:
        for draft in files_in(tmp_path / "drafts"):
            draft.unlink()

    monkeypatch.setattr(os, "fsync", sync_and_lose)
    assert SpeechFolder(tmp_path).save(KEY, speech(), NOW) == 0
    assert files_in(tmp_path) == []


def test_a_full_disk_changes_nothing_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = SpeechFolder(tmp_path)
    folder.save(KEY, speech(b"old"), NOW)

    def refuse(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        folder.save(KEY, speech(b"new"), NOW)
    assert files_in(tmp_path) == [tmp_path / "ab" / KEY]
    assert load(tmp_path) == speech(b"old")


def test_many_writers_and_readers_of_one_key_see_whole_speech_only(tmp_path: Path) -> None:
    wholes = [speech(bytes([letter]) * 50_000) for letter in b"abcd"]
    seen: list[StoredSpeech | None] = []

    def write(whole: StoredSpeech) -> None:
        for _ in range(20):
            SpeechFolder(tmp_path).save(KEY, whole, NOW)

    def read() -> None:
        seen.extend(load(tmp_path) for _ in range(100))

    SpeechFolder(tmp_path).save(KEY, wholes[0], NOW)
    threads = [threading.Thread(target=write, args=[whole]) for whole in wholes]
    threads += [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(seen) == 200
    assert all(found in wholes for found in seen)
    assert len(files_in(tmp_path)) == 1


def test_reading_and_touching_make_a_file_young_again(tmp_path: Path) -> None:
    folder = SpeechFolder(tmp_path)
    for key in (KEY, OTHER):
        folder.save(key, speech(), NOW)
    folder.load(KEY, NOW + 50, TTL)
    folder.touch(OTHER, NOW + 70)
    folder.touch("ef" * 32, NOW)  # not there: nothing happens
    kept = [one for shard in folder.shards() for one in folder.look_through(shard, 0)]
    assert {one.path.name: one.read_s for one in kept} == {KEY: NOW + 50, OTHER: NOW + 70}


def test_looking_through_removes_what_is_old_and_spares_strangers(tmp_path: Path) -> None:
    folder = SpeechFolder(tmp_path)
    twin = "ab" + "0" * 62
    folder.save(KEY, speech(), NOW)
    folder.save(twin, speech(), NOW + 100)
    (tmp_path / "ab" / "README").write_bytes(b"not ours")
    (tmp_path / "notes").mkdir()
    assert folder.shards() == [tmp_path / "ab"]
    [kept] = folder.look_through(tmp_path / "ab", NOW + 50)
    assert kept.path.name == twin
    assert kept.size == kept.path.stat().st_size
    assert {path.name for path in files_in(tmp_path)} == {twin, "README"}

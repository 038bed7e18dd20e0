import asyncio
import errno
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sayna.speech.protocols import AudioFormat
from sayna.storage import speech_archive
from sayna.storage.speech_archive import REST_S, Rest, SpeechArchive, open_archive
from sayna.storage.speech_file import StoredSpeech, render_speech
from sayna.storage.speech_folder import SpeechFolder
from tests.fakes.session import until
from tests.fakes.wall_clock import WallClock

TTL = 600.0
MIB = 2**20


def key(number: int) -> str:
    return f"{number:064x}"


def speech(clock: WallClock, audio: bytes = b"sound") -> StoredSpeech:
    return StoredSpeech(audio, AudioFormat("linear16", 16_000), clock(), clock() + TTL)


def keys_in(folder: Path) -> list[int]:
    return sorted(int(path.name, 16) for path in folder.glob("??/*"))


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("??/*"))


@asynccontextmanager
async def archive_of(
    path: Path, clock: WallClock, max_bytes: int = MIB
) -> AsyncGenerator[SpeechArchive, None]:
    folder = SpeechFolder(path)
    async with open_archive(folder, max_bytes=max_bytes, ttl_s=TTL, epoch_s=clock) as archive:
        yield archive


async def test_speech_is_written_behind_the_speaker_and_found_later(tmp_path: Path) -> None:
    clock = WallClock()
    async with archive_of(tmp_path, clock) as archive:
        assert await archive.find(key(1)) is None
        archive.save(key(1), speech(clock))
        await archive.wait_saved()
        assert await archive.find(key(1)) == speech(clock)


async def test_what_waits_is_written_before_the_end(tmp_path: Path) -> None:
    clock = WallClock()
    async with archive_of(tmp_path, clock) as archive:
        for number in range(20):
            archive.save(key(number), speech(clock))
    assert keys_in(tmp_path) == list(range(20))
    assert await archive.find(key(1)) is None  # closed: the folder is no longer ours


async def test_the_longest_unread_go_first_when_the_bytes_run_out(tmp_path: Path) -> None:
    clock = WallClock()
    audio = bytes(10_000)
    async with archive_of(tmp_path, clock, max_bytes=100_000) as archive:
        for number in range(7):
            clock.seconds += 1
            archive.save(key(number), speech(clock, audio))
            await archive.wait_saved()
        clock.seconds += 1
        await archive.find(key(0))
        archive.touch(key(1))
        for number in range(7, 12):
            clock.seconds += 1
            archive.save(key(number), speech(clock, audio))
            await archive.wait_saved()
            assert bytes_in(tmp_path) <= 100_000
    kept = keys_in(tmp_path)
    assert {0, 1, 11} <= set(kept)
    assert not {2, 3} & set(kept)
    assert len(kept) >= 7


async def test_speech_that_can_never_fit_is_not_written(tmp_path: Path) -> None:
    clock = WallClock()
    async with archive_of(tmp_path, clock, max_bytes=5_000) as archive:
        archive.save(key(1), speech(clock, bytes(5_000)))
        await archive.wait_saved()
    assert keys_in(tmp_path) == []


async def test_a_start_removes_what_is_old_what_is_too_much_and_what_a_crash_left(
    tmp_path: Path,
) -> None:
    clock = WallClock()
    folder = SpeechFolder(tmp_path)
    for number in range(30):
        folder.save(key(number), speech(clock, bytes(1000)), clock() + number)
    (tmp_path / "drafts" / "x.1").write_bytes(b"half")
    clock.seconds += TTL + 10.5
    async with archive_of(tmp_path, clock, max_bytes=15_000):
        await until(lambda: len(keys_in(tmp_path)) <= 13)
    kept = keys_in(tmp_path)
    assert kept == list(range(30 - len(kept), 30))
    assert len(kept) >= 9
    assert list((tmp_path / "drafts").iterdir()) == []


async def test_two_servers_on_one_folder_find_each_others_speech(tmp_path: Path) -> None:
    clock = WallClock()
    async with archive_of(tmp_path, clock) as one, archive_of(tmp_path, clock) as other:
        for number in range(50):
            one.save(key(number), speech(clock, b"one"))
            other.save(key(number), speech(clock, b"other"))
        await one.wait_saved()
        await other.wait_saved()
        for number in range(50):
            found = await one.find(key(number))
            assert found is not None
            assert found.audio in {b"one", b"other"}
            assert await other.find(key(number)) == found


async def test_a_disk_that_takes_nothing_is_told_of_once_and_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WallClock()
    tried = 0

    def refuse(*_args: object) -> int:
        nonlocal tried
        tried += 1
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))

    with capture_logs() as logs:
        async with archive_of(tmp_path, clock) as archive:
            SpeechFolder(tmp_path).save(key(99), speech(clock), clock())
            with monkeypatch.context() as full:
                full.setattr(SpeechFolder, "save", refuse)
                for _ in range(3):
                    for number in range(5):
                        archive.save(key(number), speech(clock))
                    await archive.wait_saved()
                    clock.seconds += REST_S + 1
                assert await archive.find(key(99)) is not None  # reading goes on
            assert tried == 3
            archive.save(key(7), speech(clock))
            await archive.wait_saved()
    told = [line for line in logs if line["event"].startswith("speech_cache_disk")]
    assert [line["event"] for line in told] == ["speech_cache_disk_off", "speech_cache_disk_on"]
    assert told[0]["reason"] == "No space left on device"
    assert keys_in(tmp_path) == [7, 99]


async def test_a_folder_that_is_none_is_no_error(tmp_path: Path) -> None:
    clock = WallClock()
    (tmp_path / "speech").write_bytes(b"a file")
    async with archive_of(tmp_path / "speech", clock) as archive:
        archive.save(key(1), speech(clock))
        await archive.wait_saved()
        assert await archive.find(key(1)) is None


async def test_a_failure_that_nobody_foresaw_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WallClock()

    def fail(*_args: object) -> int:
        raise RuntimeError("secret words")

    with capture_logs() as logs:
        async with archive_of(tmp_path, clock) as archive:
            monkeypatch.setattr(SpeechFolder, "save", fail)
            archive.save(key(1), speech(clock))
            await archive.wait_saved()
    assert [line["reason"] for line in logs if "reason" in line] == ["RuntimeError"]


async def test_a_disk_that_does_not_answer_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WallClock()
    stuck = threading.Event()
    asked = 0

    def wait(*_args: object) -> None:
        nonlocal asked
        asked += 1
        stuck.wait(20)

    monkeypatch.setattr(speech_archive, "READ_LIMIT_S", 0.02)
    try:
        async with archive_of(tmp_path, clock) as archive:
            with monkeypatch.context() as hanging:
                hanging.setattr(SpeechFolder, "load", wait)
                assert await archive.find(key(1)) is None
                assert await archive.find(key(1)) is None
                assert asked == 1  # it is left alone
                clock.seconds += REST_S + 1
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(100):
                        tasks.create_task(archive.find(key(1)))
                assert asked <= speech_archive.THREADS
                stuck.set()
                await until(lambda: not archive._reads)
            SpeechFolder(tmp_path).save(key(1), speech(clock), clock())
            clock.seconds += REST_S + 1
            assert await archive.find(key(1)) is not None
    finally:
        stuck.set()


async def test_a_disk_that_fails_at_reading_is_a_miss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = WallClock()

    def fail(*_args: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(SpeechFolder, "load", fail)
    with capture_logs() as logs:
        async with archive_of(tmp_path, clock) as archive:
            assert await archive.find(key(1)) is None
            assert await archive.find(key(1)) is None
    told = [line["reason"] for line in logs if line["event"] == "speech_cache_disk_off"]
    assert told == ["Input/output error"]


async def test_what_waits_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = WallClock()
    held = threading.Event()
    began = threading.Event()

    def wait(*_args: object) -> int:
        began.set()
        held.wait(20)
        return 0

    monkeypatch.setattr(SpeechFolder, "save", wait)
    monkeypatch.setattr(speech_archive, "MAX_WAITING_BYTES", 50_000)
    try:
        async with archive_of(tmp_path, clock) as archive:
            for _ in range(1000):
                archive.save(key(1), speech(clock, bytes(9_000)))
            assert archive._jobs.qsize() == 4
            for _ in range(1000):
                archive.touch(key(1))
            assert archive._jobs.qsize() == speech_archive.MAX_WAITING
            await until(began.is_set)
            held.set()
    finally:
        held.set()


async def test_a_reader_that_is_cancelled_leaves_no_trace(tmp_path: Path) -> None:
    clock = WallClock()
    SpeechFolder(tmp_path).save(key(1), speech(clock), clock())
    async with archive_of(tmp_path, clock) as archive:
        reading = asyncio.ensure_future(archive.find(key(1)))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        await until(lambda: not archive._reads)
        assert await archive.find(key(1)) is not None


async def test_an_unsound_file_is_a_miss_for_the_archive_too(tmp_path: Path) -> None:
    clock = WallClock()
    SpeechFolder(tmp_path).save(key(1), speech(clock), clock())
    path = tmp_path / key(1)[:2] / key(1)
    path.write_bytes(render_speech(key(1), speech(clock))[:-2])
    async with archive_of(tmp_path, clock) as archive:
        assert await archive.find(key(1)) is None
    assert not path.exists()


def test_a_clock_set_back_does_not_prolong_a_rest() -> None:
    clock = WallClock()
    rest = Rest("read", clock)
    assert rest.is_over
    rest.fail("x")
    assert not rest.is_over
    clock.seconds -= 100_000
    assert rest.is_over

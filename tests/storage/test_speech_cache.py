from pathlib import Path

import pytest

from sayna.settings.tree import Cache
from sayna.speech.protocols import AudioFormat
from sayna.storage.speech_cache import FOLDER, TOUCH_EVERY_S, SpeechCache, open_speech_cache
from sayna.storage.speech_folder import MAX_AUDIO_BYTES
from tests.fakes.wall_clock import WallClock

FORMAT = AudioFormat("linear16", 16_000)


def key(number: int) -> str:
    return f"{number:064x}"


def cache_of(clock: WallClock, memory_bytes: int = 8000, memory_entries: int = 100) -> SpeechCache:
    return SpeechCache(
        memory_bytes=memory_bytes, memory_entries=memory_entries, ttl_s=600, epoch_s=clock
    )


async def held(cache: SpeechCache, count: int) -> list[int]:
    return [number for number in range(count) if await cache.find(key(number)) is not None]


async def test_what_is_kept_is_found_with_its_format() -> None:
    cache = cache_of(WallClock())
    assert await cache.find(key(1)) is None
    cache.keep(key(1), b"sound", FORMAT)
    found = await cache.find(key(1))
    assert found is not None
    assert (found.audio, found.audio_format) == (b"sound", FORMAT)


async def test_speech_is_forgotten_at_its_age_whether_used_or_not() -> None:
    clock = WallClock()
    cache = cache_of(clock)
    cache.keep(key(1), b"sound", FORMAT)
    clock.seconds += 599
    assert await cache.find(key(1)) is not None
    clock.seconds += 1
    assert await cache.find(key(1)) is None


async def test_bytes_bound_the_memory_and_the_longest_unused_goes_first() -> None:
    cache = cache_of(WallClock())
    for number in range(8):
        cache.keep(key(number), bytes(1000), FORMAT)
    await cache.find(key(0))
    cache.keep(key(8), bytes(1000), FORMAT)
    assert await held(cache, 9) == [0, 2, 3, 4, 5, 6, 7, 8]


async def test_entries_bound_the_memory_too() -> None:
    cache = cache_of(WallClock(), memory_entries=2)
    for number in (0, 1, 1, 2):
        cache.keep(key(number), b"a", FORMAT)
    assert await held(cache, 3) == [1, 2]


async def test_a_full_memory_whose_speech_is_all_old_takes_new_speech() -> None:
    clock = WallClock()
    cache = cache_of(clock, memory_entries=1)
    cache.keep(key(0), b"a", FORMAT)
    clock.seconds += 600
    cache.keep(key(1), b"b", FORMAT)
    assert await held(cache, 2) == [1]


@pytest.mark.parametrize(
    ("memory_bytes", "longest"),
    [(8000, 1000), (500 * 2**20, MAX_AUDIO_BYTES), (7, 0)],
)
async def test_what_is_too_long_or_empty_is_not_kept(memory_bytes: int, longest: int) -> None:
    cache = cache_of(WallClock(), memory_bytes)
    assert cache.max_audio_bytes == longest
    cache.keep(key(0), bytes(longest + 1), FORMAT)
    cache.keep(key(1), b"", FORMAT)
    assert await held(cache, 2) == []
    if longest:
        cache.keep(key(0), bytes(longest), FORMAT)
        assert await held(cache, 1) == [0]


@pytest.mark.parametrize(
    "off", [{"ttl_seconds": 0}, {"memory_bytes": 0}, {"memory_entries": 0}], ids=str
)
async def test_a_zero_turns_it_off(off: dict[str, int]) -> None:
    async with open_speech_cache(Cache(**off)) as cache:  # type: ignore[arg-type]
        assert cache.max_audio_bytes == 0
        cache.keep(key(1), b"sound", FORMAT)
        assert await cache.find(key(1)) is None


async def test_without_memory_a_folder_serves_alone(tmp_path: Path) -> None:
    async with open_speech_cache(Cache(path=tmp_path, memory_bytes=0)) as cache:
        cache.keep(key(1), b"sound", FORMAT)
    async with open_speech_cache(Cache(path=tmp_path, memory_bytes=0)) as cache:
        for _ in range(2):
            found = await cache.find(key(1))
            assert found is not None
            assert found.audio == b"sound"


async def test_speech_outlives_the_server_but_not_its_age(tmp_path: Path) -> None:
    clock = WallClock()
    settings = Cache(path=tmp_path, ttl_seconds=600)
    async with open_speech_cache(settings, epoch_s=clock) as cache:
        cache.keep(key(1), b"sound", FORMAT)
    assert [path.name for path in (tmp_path / FOLDER).glob("00/*")] == [key(1)]
    clock.seconds += 500
    async with open_speech_cache(settings, epoch_s=clock) as cache:
        assert await cache.find(key(1)) is not None
        clock.seconds += 99
        assert await cache.find(key(1)) is not None
        clock.seconds += 1  # memory took over the age of the file
        assert await cache.find(key(1)) is None


async def test_a_use_from_memory_makes_the_file_young_now_and_then(tmp_path: Path) -> None:
    clock = WallClock()
    path = tmp_path / FOLDER / "00" / key(1)
    async with open_speech_cache(Cache(path=tmp_path), epoch_s=clock) as cache:
        cache.keep(key(1), b"sound", FORMAT)
        clock.seconds += TOUCH_EVERY_S
        began = clock.seconds
        await cache.find(key(1))
        clock.seconds += 10
        await cache.find(key(1))
    assert path.stat().st_mtime == began


@pytest.mark.parametrize("off", [{"disk_bytes": 0}, {"ttl_seconds": 0}], ids=str)
async def test_a_folder_without_room_is_not_touched(tmp_path: Path, off: dict[str, int]) -> None:
    settings = Cache(path=tmp_path / "new", **off)
    async with open_speech_cache(settings) as cache:
        cache.keep(key(1), b"sound", FORMAT)
    assert not settings.path or not settings.path.exists()

import asyncio

import pytest

from sayna.api.messages import Clear, Command, Config, Speak, SttConfig
from sayna.api.ws_commands import (
    FULL_BYTES,
    FULL_ITEMS,
    MAX_EARLY_FRAMES,
    AudioBurst,
    CommandQueue,
)
from sayna.session.events import Problem


def config(sample_rate: int = 8000) -> Config:
    return Config(stt_config=SttConfig("p", "en", sample_rate, 1, True, "linear16", ""))


async def taken(queue: CommandQueue) -> list[object]:
    async with asyncio.timeout(5):
        return [await queue.get() for _ in range(len(queue._items))]


async def test_commands_come_out_in_order() -> None:
    queue = CommandQueue()
    items: list[Command | Problem] = [Speak("a"), Problem("b"), Clear()]
    for item in items:
        queue.put(item, 1)
    assert await taken(queue) == items


async def test_whoever_takes_waits_for_the_next() -> None:
    queue = CommandQueue()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        taking = tasks.create_task(queue.get())
        await asyncio.sleep(0)
        queue.put(Clear(), 1)
        assert await taking == Clear()


async def test_audio_is_detained_until_the_config_is_done_and_its_burst_taken() -> None:
    queue = CommandQueue()
    assert not queue.detains_audio
    queue.put(config(), 1)
    queue.put_audio(b"ab")
    queue.put_audio(b"cd")
    queue.put(Speak("x"), 1)
    queue.put_audio(b"ef")
    assert isinstance(await queue.get(), Config)
    assert queue.detains_audio
    queue.config_done()
    first, speak, second = await taken(queue)
    assert isinstance(first, AudioBurst)
    assert list(first.frames) == [b"ab", b"cd"]
    assert speak == Speak("x")
    assert isinstance(second, AudioBurst)
    assert list(second.frames) == [b"ef"]
    assert not queue.detains_audio


async def test_early_audio_is_kept_for_ten_seconds_and_then_loses_its_oldest() -> None:
    queue = CommandQueue()
    queue.put(config(8000), 1)
    for number in range(15):
        queue.put_audio(bytes([number]) * 16_000)  # one second
    queue.put(Clear(), 1)
    _, burst, _ = await taken(queue)
    assert isinstance(burst, AudioBurst)
    assert [frame[0] for frame in burst.frames] == list(range(5, 15))


@pytest.mark.parametrize("rate", [0, 1, 8000])
async def test_a_further_config_does_not_cut_short_what_waits_already(rate: int) -> None:
    queue = CommandQueue()
    queue.put(config(16_000), 1)
    queue.put(config(rate), 1)
    for number in range(10):
        queue.put_audio(bytes([number]) * 32_000)  # one second
    _, _, burst = await taken(queue)
    assert isinstance(burst, AudioBurst)
    assert [frame[0] for frame in burst.frames] == list(range(10))


async def test_early_audio_is_bounded_whatever_rate_is_announced() -> None:
    queue = CommandQueue()
    queue.put(config(2**32 - 1), 1)
    for _ in range(10):
        queue.put_audio(bytes(2**20))
    assert queue._audio_bytes <= 4 * 2**20


@pytest.mark.parametrize(("count", "size"), [(FULL_ITEMS, 1), (1, FULL_BYTES)])
async def test_the_queue_says_when_it_is_full_and_when_it_is_half_empty(
    count: int, size: int
) -> None:
    queue = CommandQueue()
    for _ in range(count):
        assert not queue.is_full
        queue.put(Clear(), size)
    assert queue.is_full
    assert not queue.is_half_empty
    await taken(queue)
    assert queue.is_half_empty


async def test_a_clear_forgets_the_texts_and_nothing_else() -> None:
    queue = CommandQueue()
    items: list[Command | Problem] = [Speak("a"), Problem("b"), Speak("a")]
    for item in items:
        queue.put(item, FULL_BYTES // 2)
    assert queue.is_full
    queue.drop_speaks()
    assert not queue.is_full
    queue.put(Speak("c"), 1)
    assert await taken(queue) == [Problem("b"), Speak("c")]


async def test_audio_that_comes_before_the_session_is_there_waits_for_it() -> None:
    queue = CommandQueue()
    queue.put_audio(b"ab")
    assert queue.detains_audio
    [burst] = await taken(queue)
    assert isinstance(burst, AudioBurst)
    assert list(burst.frames) == [b"ab"]


async def test_a_clear_leaves_what_may_not_be_interrupted() -> None:
    queue = CommandQueue()
    items: list[Command | Problem] = [Speak("a", allow_interruption=False), Speak("b")]
    for item in items:
        queue.put(item, 1)
    queue.drop_speaks()
    assert await taken(queue) == items[:1]


def piece(text: str, *, protected: bool | None = None, flush: bool = False) -> Speak:
    return Speak(text, flush, None if protected is None else not protected)


@pytest.mark.parametrize(
    ("open_protection", "items", "kept"),
    [
        # a text of its own says for all its pieces whether they stay
        (None, [piece("a", protected=True), piece("b"), piece("c", flush=True)], "abc"),
        (None, [piece("a"), piece("b", protected=True), piece("c", flush=True)], ""),
        # and no longer than to its end
        (None, [piece("a", protected=True), piece("", flush=True), piece("b")], "a"),
        (None, [piece("a"), piece(" ", flush=True), piece("b", protected=True)], "b"),
        # what goes on with an open utterance shares its fate
        (True, [piece("a"), piece("b", flush=True), piece("c")], "ab"),
        (False, [piece("a", protected=True), piece("b", protected=True, flush=True)], ""),
        (False, [piece("a", flush=True), piece("b", protected=True), piece("c")], "bc"),
        # a blank text opens nothing
        (None, [piece(" ", protected=True), piece("a")], " "),
        (None, [piece("", flush=True), piece("a", protected=True, flush=True)], "a"),
    ],
)
async def test_a_clear_drops_and_leaves_whole_utterances(
    open_protection: bool | None, items: list[Speak], kept: str
) -> None:
    queue = CommandQueue()
    for item in items:
        queue.put(item, 1)
        queue.put(Clear(), 1)  # other commands do not matter
    queue.drop_speaks(open_protection)
    texts = [one.text for one in await taken(queue) if isinstance(one, Speak)]
    assert "".join(texts) == kept
    assert queue._bytes == 0


async def test_empty_messages_do_not_queue_up() -> None:
    queue = CommandQueue()
    queue.put_audio(b"")
    assert not queue.detains_audio
    assert await taken(queue) == []


async def test_early_audio_in_crumbs_is_bounded_by_their_number() -> None:
    queue = CommandQueue()
    queue.put(config(2**32 - 1), 1)
    for number in range(MAX_EARLY_FRAMES + 2):
        queue.put_audio(b"%d" % number)
    _, burst = await taken(queue)
    assert isinstance(burst, AudioBurst)
    assert len(burst.frames) == MAX_EARLY_FRAMES
    assert burst.frames[0] == b"2"
    assert queue._frames == 0

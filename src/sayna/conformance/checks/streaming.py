"""The life of a recognizer's stream: fed too fast, cut into segments, left in the middle."""

import asyncio
import tracemalloc

from sayna.conformance.case import Case, Hearing
from sayna.conformance.streams import (
    Recording,
    closing_in_time,
    drain,
    feed,
    final_text,
    frames,
    hear,
    show,
    silence,
)
from sayna.speech.protocols import Provider, Recognizer

FLOOD_S = 120.0
KEPT_SHARE = 0.5
"""Of the flood, what may still be in memory behind it."""


async def test_a_flood_is_taken_at_once_and_not_kept(
    provider: Provider, case: Case, hearing: Hearing
) -> None:
    """Minutes of audio in one go neither wait, nor raise, nor stay in memory.

    `send_audio` is called by the one reader of a connection. Keep a few seconds for a slow engine,
    then drop the oldest; where `dropped_ms` counts it, the count only grows.
    """
    flood = silence(hearing.options, FLOOD_S)
    async with closing_in_time(provider, hearing.options, case) as recognizer:
        counts = [_dropped_ms(recognizer)]
        tracemalloc.start()
        try:
            for frame in frames(flood, hearing.options, 100):
                recognizer.send_audio(frame)
            kept, _ = tracemalloc.get_traced_memory()
        except Exception as error:
            raise AssertionError(
                f"send_audio raised {type(error).__name__}: drop the oldest instead, an error of"
                " the engine belongs into `events`"
            ) from error
        finally:
            tracemalloc.stop()
        counts.append(_dropped_ms(recognizer))
    assert kept < KEPT_SHARE * len(flood), (
        f"of {len(flood)} bytes sent at once {kept} are still in memory: bound the queue by seconds"
    )
    assert 0 <= counts[0] <= counts[1], f"dropped_ms went from {counts[0]} to {counts[1]}"


async def test_finalize_closes_a_segment_and_the_stream_stays_open(
    provider: Provider, hearing: Hearing, recording: Recording
) -> None:
    """`finalize` asks for the final of what was heard; what is said behind it is heard as well."""
    async with provider.open_recognizer(hearing.options) as recognizer:
        for _ in range(2):
            await feed(recognizer, frames(recording.audio, hearing.options))
            recognizer.finalize()
        events = await drain(recognizer)
    assert recording.is_in(events, times=2), (
        f"{hearing.words!r} was said twice with `finalize` behind each and"
        f" {final_text(events)!r} heard; {show(events)}\nBegin a new segment, not a new stream"
    )


async def test_finish_may_be_said_twice_and_audio_behind_it_is_ignored(
    provider: Provider, hearing: Hearing, recording: Recording
) -> None:
    """A session ends in many ways at once: whatever comes behind `finish` is ignored."""
    async with provider.open_recognizer(hearing.options) as recognizer:
        await feed(recognizer, frames(recording.audio, hearing.options))
        recognizer.finish()
        recognizer.send_audio(recording.audio)
        recognizer.finish()
        recognizer.finalize()
        events = await drain(recognizer)
    assert recording.is_in(events), (
        f"{hearing.words!r} was said before `finish` and {final_text(events)!r} heard; remember"
        f" that the stream is finishing, and return; {show(events)}"
    )


async def test_a_recognizer_may_be_left_while_somebody_speaks(
    provider: Provider, case: Case, hearing: Hearing, recording: Recording
) -> None:
    """Leaving the block without `finish` ends at once, and the next stream hears only its own."""
    half = recording.audio[: len(recording.audio) // 4 * 2]
    for _ in range(3):
        async with closing_in_time(provider, hearing.options, case) as recognizer:
            await feed(recognizer, frames(half, hearing.options))
    events = await hear(provider, hearing.options, recording.audio)
    assert recording.is_in(events), (
        f"behind streams that were left {final_text(events)!r} was heard; {show(events)}\nKeep what"
        " belongs to a stream in its recognizer"
    )


async def test_cancelling_whoever_reads_the_events_leaves_the_block_free_to_end(
    provider: Provider, case: Case, hearing: Hearing, recording: Recording
) -> None:
    """The task that reads `events` may be cancelled; the block then ends, the next stream works."""
    async with closing_in_time(provider, hearing.options, case) as recognizer:
        reading = asyncio.create_task(_read(recognizer))
        await feed(recognizer, frames(recording.audio, hearing.options))
        reading.cancel()
        await asyncio.wait([reading], timeout=case.close_limit_s)
        assert reading.done(), (
            f"`events` went on for {case.close_limit_s:g} s after it was cancelled: let"
            " CancelledError pass"
        )
    events = await hear(provider, hearing.options, recording.audio)
    assert recording.is_in(events), f"the next stream heard {final_text(events)!r}; {show(events)}"


async def test_two_recognizers_at_once_do_not_mix(
    provider: Provider, hearing: Hearing, recording: Recording
) -> None:
    """Streams share the provider and nothing else: one of silence hears no other's words."""
    pieces = list(frames(recording.audio, hearing.options))
    quiet = silence(hearing.options, 0.02)
    async with (
        provider.open_recognizer(hearing.options) as one,
        provider.open_recognizer(hearing.options) as other,
        provider.open_recognizer(hearing.options) as third,
    ):
        for piece in pieces:
            await feed(one, [piece])
            await feed(other, [quiet])
            await feed(third, [piece])
        heard, nothing, again = await asyncio.gather(drain(one), drain(other), drain(third))
    assert recording.is_in(heard), f"beside others it heard {final_text(heard)!r}; {show(heard)}"
    assert recording.is_in(again), f"beside others it heard {final_text(again)!r}; {show(again)}"
    assert not final_text(nothing), (
        f"a stream of silence heard {final_text(nothing)!r}, which was said to another one: keep"
        " what belongs to a stream in its recognizer"
    )


async def _read(recognizer: Recognizer) -> None:
    async for _ in recognizer.events():
        pass


def _dropped_ms(recognizer: Recognizer) -> float:
    return float(getattr(recognizer, "dropped_ms", 0.0))

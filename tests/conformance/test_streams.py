import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest
from typing_extensions import override

from sayna.audio import g711
from sayna.conformance.case import SENTENCE, Hearing
from sayna.conformance.streams import (
    Recording,
    closing_in_time,
    cut,
    encode,
    fault_of,
    final_text,
    frames,
    hear,
    show,
    silence,
)
from sayna.errors import ConnectionFailed
from sayna.speech.events import Transcript
from sayna.speech.options import RecognizerOptions
from tests.conformance.broken.ears import SLOW_S
from tests.conformance.reference import FAILING, REFERENCE, Ear, Reference, speech_of

OPTIONS = RecognizerOptions("reference")
SAMPLES = np.array([0, 1_000, -20_000], np.int16)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("linear16", SAMPLES.tobytes()),
        ("pcm", SAMPLES.tobytes()),
        ("mulaw", g711.encode_mulaw(SAMPLES)),
        ("alaw", g711.encode_alaw(SAMPLES)),
        ("linear32", (SAMPLES / 32_768).astype("<f4").tobytes()),
    ],
)
def test_a_recording_is_put_into_the_encoding(encoding: str, expected: bytes) -> None:
    assert encode(SAMPLES.tobytes(), replace(OPTIONS, encoding=encoding)) == expected


def test_every_channel_has_all_of_it() -> None:
    stereo = np.frombuffer(encode(SAMPLES.tobytes(), replace(OPTIONS, channels=2)), "<i2")
    assert stereo.tolist() == [0, 0, 1_000, 1_000, -20_000, -20_000]


def test_an_encoding_that_the_kit_cannot_make_is_named() -> None:
    with pytest.raises(ValueError, match=r"'opus'.*leave it out"):
        encode(b"", replace(OPTIONS, encoding="opus"))


def test_pieces_of_any_size_are_all_of_the_audio() -> None:
    pieces = list(cut(bytes(range(20)), [1, 3, 7]))
    assert [len(piece) for piece in pieces] == [1, 3, 7, 1, 3, 5]
    assert b"".join(pieces) == bytes(range(20))


def test_a_frame_lasts_as_long_in_each_encoding() -> None:
    assert {len(frame) for frame in frames(silence(OPTIONS, 1), OPTIONS)} == {640}
    law = replace(OPTIONS, encoding="mulaw", sample_rate=8_000)
    assert {len(frame) for frame in frames(silence(law, 1), law, 100)} == {800}


async def test_a_recording_is_recognized_in_what_was_heard() -> None:
    recording = Recording(Hearing(OPTIONS), speech_of(SENTENCE))
    events = await hear(Reference(), OPTIONS, recording.audio)
    assert recording.is_in(events)
    assert not recording.is_in(events, times=2)
    assert repr(events[-1]) in show(events)


def test_only_finals_with_words_are_its_text() -> None:
    events = [Transcript("a"), Transcript("a b", True), Transcript("", True, True)]
    assert final_text(events) == "a b"
    assert show([]) == "there were no events"


async def test_the_error_that_ends_a_stream_is_returned() -> None:
    provider = Reference()
    options = replace(OPTIONS, model=FAILING)
    assert isinstance(await fault_of(provider, options, speech_of("open")), ConnectionFailed)
    assert await fault_of(provider, options, speech_of("open")) is None


async def test_a_stream_that_does_not_close_is_told_of() -> None:
    class Stubborn(Reference):
        @override
        @asynccontextmanager
        async def open_recognizer(self, options: RecognizerOptions) -> AsyncGenerator[Ear, None]:
            yield Ear(self, options)
            await asyncio.sleep(SLOW_S)

    with pytest.raises(AssertionError, match=r"block of a recognizer took more than 0.3 s"):
        async with closing_in_time(Stubborn(), OPTIONS, REFERENCE):
            pass

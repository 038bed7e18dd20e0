from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from sayna.audio import g711
from sayna.errors import NetworkFailed, ProviderMisconfigured
from sayna.providers.tones.recognizer import TonesRecognizer
from sayna.settings.vendors import Providers
from sayna.speech.events import SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions
from tests.providers.tones.singing import (
    LISTENING,
    final_text,
    heard,
    open_ear,
    silence,
    sing,
)

TALK = np.concatenate((sing("open the door"), silence(500), sing("please"), silence(1_200)))
TOLD = [
    Transcript("open", confidence=1.0),
    Transcript("open the", confidence=1.0),
    Transcript("open the door", confidence=1.0),
    Transcript("open the door", True, False, 1.0),
    Transcript("please", confidence=1.0),
    Transcript("please", True, False, 1.0),
    Transcript("", True, True, 1.0),
]


def told(recognizer: TonesRecognizer) -> list[SpeechEvent]:
    """Take what there is to be read now."""
    waiting: list[SpeechEvent] = list(recognizer._results._waiting)
    recognizer._results._waiting.clear()
    return waiting


def test_words_gaps_and_longer_gaps_become_results_without_any_clock() -> None:
    ear = open_ear()
    ear.send_audio(TALK.tobytes())
    assert told(ear) == TOLD


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 3_000), min_size=1))
def test_how_the_bytes_are_cut_changes_nothing(sizes: list[int]) -> None:
    audio, at, ear = TALK.tobytes(), 0, open_ear()
    for size in (*sizes, len(audio)):
        ear.send_audio(audio[at : at + size])
        at += size
    assert told(ear) == TOLD


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("encoding", ["linear16", "pcm", "mulaw", "ulaw", "alaw", "linear32"])
async def test_every_encoding_and_rate_is_heard(encoding: str, rate: int) -> None:
    samples = sing("größere Ähren", rate)
    match encoding:
        case "mulaw" | "ulaw":
            audio = g711.encode_mulaw(samples)
        case "alaw":
            audio = g711.encode_alaw(samples)
        case "linear32":
            audio = (samples / 32_768).astype("<f4").tobytes()
        case _:
            audio = samples.tobytes()
    ear = open_ear(options=replace(LISTENING, encoding=encoding, sample_rate=rate))
    for at in range(0, len(audio), 333):
        ear.send_audio(audio[at : at + 333])
    ear.finish()
    assert final_text(await heard(ear)) == "größere Ähren"


async def test_two_channels_are_heard_as_one() -> None:
    ear = open_ear(options=replace(LISTENING, channels=2))
    ear.send_audio(np.repeat(sing("both ears"), 2).tobytes())
    ear.finish()
    assert final_text(await heard(ear)) == "both ears"


def test_the_gaps_are_settings() -> None:
    ear = open_ear(
        settings=Providers(tones_final_gap_ms=700, tones_speech_final_gap_ms=700),
    )
    ear.send_audio(TALK.tobytes())
    assert [each for each in told(ear) if isinstance(each, Transcript) and each.is_final] == [
        Transcript("open the door please", True, True, 1.0)
    ]


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_finalize_closes_the_segment_and_the_stream_goes_on(rate: int) -> None:
    ear = open_ear(options=replace(LISTENING, sample_rate=rate))
    ear.send_audio(sing("now or", rate).tobytes())
    ear.finalize()
    assert told(ear)[-1] == Transcript("now or", True, True, 1.0)
    ear.send_audio(sing("never", rate).tobytes())
    ear.finalize()
    assert told(ear)[-1] == Transcript("never", True, True, 1.0)
    ear.finalize()
    assert told(ear) == []


def test_a_word_that_finalize_cuts_through_is_not_lost() -> None:
    ear, audio = open_ear(), sing("indivisible").tobytes()
    ear.send_audio(audio[:2_000])
    ear.finalize()
    ear.send_audio(audio[2_000:])
    ear.finalize()
    assert told(ear)[-1] == Transcript("indivisible", True, True, 1.0)


async def test_finish_tells_the_last_word_even_when_no_silence_follows_it() -> None:
    ear = open_ear()
    ear.send_audio(sing("last word", gap_s=0.06)[: -int(0.06 * 8_000)].tobytes())
    ear.finish()
    assert (await heard(ear))[-1] == Transcript("last word", True, True, 1.0)


async def test_after_the_end_nothing_is_heard() -> None:
    ear = open_ear()
    ear.finish()
    ear.send_audio(TALK.tobytes())
    ear.finalize()
    ear.finish()
    assert await heard(ear) == []


async def test_a_fault_has_its_place_even_when_all_audio_comes_at_once() -> None:
    ear = open_ear("reset@2w")
    ear.send_audio(TALK.tobytes())
    ear.finish()
    events = ear.events()
    assert [await anext(events), await anext(events)] == TOLD[:2]
    with pytest.raises(NetworkFailed):
        await anext(events)


async def test_a_place_in_audio_counts_the_audio_that_was_sent() -> None:
    ear = open_ear("reset@1s", options=replace(LISTENING, encoding="mulaw", sample_rate=16_000))
    ear.send_audio(bytes(15_680))
    assert not ear._results.ended
    ear.send_audio(bytes(320))
    assert ear._results.ended


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (replace(LISTENING, encoding="opus"), "encoding"),
        (replace(LISTENING, sample_rate=7_999), "sample_rate"),
        (replace(LISTENING, channels=0), "channels"),
    ],
)
def test_what_it_cannot_hear_is_refused(options: RecognizerOptions, field: str) -> None:
    with pytest.raises(ProviderMisconfigured, match=rf"stt_config\.{field}"):
        open_ear(options=options)


async def test_a_segment_without_a_gap_is_closed_in_time_and_nothing_is_lost() -> None:
    ear, text = open_ear(), " ".join(f"w{number}" for number in range(450))
    ear.send_audio(sing(text).tobytes())
    ear.finish()
    events = await heard(ear)
    assert final_text(events) == text
    assert max(len(event.text.split()) for event in events) == 200


def test_what_nobody_read_is_told_in_the_log() -> None:
    ear = open_ear()
    for _ in range(600):
        ear.send_audio(sing("yes").tobytes() + bytes(16_000))
    with capture_logs() as lines:
        ear.close()
    assert [(line["event"], line["provider"]) for line in lines] == [("results_dropped", "tones")]
    assert lines[0]["count"] > 100

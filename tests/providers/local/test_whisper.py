"""The Whisper adapter against a stand-in for faster-whisper."""

import math
from types import ModuleType

import pytest

from sayna.providers.local.whisper import WhisperStream, load
from sayna.speech.events import Transcript
from tests.providers.local.engine_fixtures import stand_ins
from tests.providers.local.test_segment import silence, speech

__all__ = ["stand_ins"]


@pytest.fixture
def stream(stand_ins: dict[str, ModuleType]) -> WhisperStream:
    return load({"folder": "anywhere"}, 1).open_stream("en-US")


def test_a_sentence_becomes_a_final_when_silence_follows(stream: WhisperStream) -> None:
    assert list(stream.accept(speech(500), 0)) == []
    (final,) = stream.accept(silence(600), 0)
    assert final[:3] == ("11 tenths in en", True, True)
    assert final.confidence == pytest.approx(math.exp(-0.5))


def test_interims_come_about_each_second(stream: WhisperStream) -> None:
    heard = [list(stream.accept(speech(100), 0)) for _ in range(32)]
    times = [at for at, events in enumerate(heard) if events]
    assert times == [9, 19, 29]
    assert heard[9] == [Transcript("10 tenths in en")]


def test_there_is_no_interim_while_audio_waits(stream: WhisperStream) -> None:
    assert list(stream.accept(speech(1_500), 300)) == []
    assert list(stream.accept(speech(100), 0)) == [Transcript("16 tenths in en")]


def test_interims_are_decoded_cheaply_and_finals_well(
    stand_ins: dict[str, ModuleType],
) -> None:
    model = load({"folder": "anywhere"}, 1)
    stream = model.open_stream("de")
    list(stream.accept(speech(1_000), 0))
    list(stream.accept(silence(600), 0))
    assert [(call["beam_size"], call["language"]) for call in model._engine.calls] == [
        (1, "de"),
        (5, "de"),
    ]


@pytest.mark.parametrize(
    ("asked", "given"), [("en-US", "en"), ("DE_at", "de"), ("fr", None), ("", None)]
)
def test_the_language_is_shortened_or_left_to_the_model(
    asked: str, given: str | None, stand_ins: dict[str, ModuleType]
) -> None:
    assert load({"folder": "anywhere"}, 1).open_stream(asked)._language == given


def test_finalize_decodes_the_open_segment(stream: WhisperStream) -> None:
    list(stream.accept(speech(500), 0))
    assert [event[:3] for event in stream.finalize()] == [("5 tenths in en", True, True)]
    assert list(stream.finalize()) == []


def test_endless_speech_is_cut_without_ending_the_turn(stream: WhisperStream) -> None:
    events = list(stream.accept((speech(800) + silence(200)) * 28, 1))
    assert [event[:3] for event in events] == [("280 tenths in en", True, False)]
    assert list(stream.accept(silence(700), 1)) == [Transcript("", True, True)]

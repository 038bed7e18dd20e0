"""The Vosk adapter against a stand-in for its package."""

from pathlib import Path
from types import ModuleType

import pytest

from sayna.providers.local.vosk import load
from sayna.speech.events import Transcript
from tests.providers.local.engine_fixtures import pcm, stand_ins
from tests.providers.local.models_folder import write_models

__all__ = ["stand_ins"]


@pytest.fixture
def files(tmp_path: Path, stand_ins: dict[str, ModuleType]) -> dict[str, str]:
    return {"folder": str(write_models(tmp_path) / "small")}


def test_partials_become_interims_and_results_become_finals(files: dict[str, str]) -> None:
    stream = load(files, 1).open_stream("en-US")
    assert list(stream.accept(pcm(5), 0)) == [Transcript("word1")]
    assert list(stream.accept(pcm(5), 0)) == [Transcript("word1 word2")]
    (final,) = stream.accept(pcm(0), 0)
    assert final[:3] == ("word1 word2", True, True)
    assert final.confidence == pytest.approx(0.55)  # the mean of the words'


def test_an_unchanged_partial_is_told_once(files: dict[str, str]) -> None:
    stream = load(files, 1).open_stream("en-US")
    stream._engine.PartialResult = lambda: '{"partial": "same"}'
    assert [len(list(stream.accept(pcm(5), 0))) for _ in range(3)] == [1, 0, 0]


def test_silence_says_nothing(files: dict[str, str]) -> None:
    stream = load(files, 1).open_stream("en-US")
    assert list(stream.accept(pcm(0), 0)) == []
    assert list(stream.accept(b"", 0)) == []
    assert list(stream.finalize()) == []


def test_finalize_gives_what_is_left_and_the_stream_goes_on(files: dict[str, str]) -> None:
    stream = load(files, 1).open_stream("en-US")
    list(stream.accept(pcm(5), 0))
    assert [event.text for event in stream.finalize()] == ["word1"]
    assert list(stream.accept(pcm(5), 0)) == [Transcript("word2")]


def test_words_without_confidences_count_as_certain(files: dict[str, str]) -> None:
    stream = load(files, 1).open_stream("en-US")
    stream._engine.FinalResult = lambda: '{"text": "yes"}'
    assert list(stream.finalize()) == [Transcript("yes", True, True, 1.0)]


def test_streams_of_one_model_do_not_mix(files: dict[str, str]) -> None:
    model = load(files, 1)
    one, other = model.open_stream("en-US"), model.open_stream("en-US")
    list(one.accept(pcm(5), 0))
    assert list(other.finalize()) == []

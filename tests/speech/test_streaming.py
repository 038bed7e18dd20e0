from collections.abc import AsyncIterator

from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import Synthesizer, TextStreaming, Watched
from sayna.speech.streaming import with_streaming
from tests.fakes.scripted import (
    ScriptedProvider,
    ScriptedSynthesizer,
    StreamingSynthesizer,
    speech_of,
)

OPTIONS = SynthesizerOptions("scripted", sample_rate=8_000)


class WatchedSynthesizer(StreamingSynthesizer):
    stall_limit_s = 2.5
    signs_of_life = 7


class Texts:
    """Pieces that are all there already."""

    def __init__(self, *pieces: str) -> None:
        self._pieces = iter(pieces)

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


def voice_of(engine: Synthesizer) -> tuple[Synthesizer, ScriptedSynthesizer]:
    front = ScriptedSynthesizer(ScriptedProvider(), OPTIONS)
    return with_streaming(front, engine), front


async def test_whole_texts_go_through_what_stands_in_front_and_pieces_to_the_engine() -> None:
    engine = StreamingSynthesizer(ScriptedProvider(), OPTIONS)
    voice, front = voice_of(engine)
    assert isinstance(voice, TextStreaming)
    whole = [chunk async for chunk in voice.speak("one two")]
    pieces = [chunk async for chunk in voice.speak_stream(Texts("thr", "ee"))]
    assert (front.spoken, engine.streamed) == (["one two"], [["thr", "ee"]])
    assert (b"".join(whole), b"".join(pieces)) == (speech_of("one two"), speech_of("three"))
    assert voice.audio_format == front.audio_format


def test_an_engine_that_takes_no_pieces_changes_nothing() -> None:
    voice, front = voice_of(ScriptedSynthesizer(ScriptedProvider(), OPTIONS))
    assert voice is front


def test_the_silence_of_the_engine_means_what_it_says() -> None:
    watched, _ = voice_of(WatchedSynthesizer(ScriptedProvider(), OPTIONS))
    plain, _ = voice_of(StreamingSynthesizer(ScriptedProvider(), OPTIONS))
    assert isinstance(watched, Watched)
    assert isinstance(plain, Watched)
    assert (watched.stall_limit_s, watched.signs_of_life) == (2.5, 7)
    assert (plain.stall_limit_s, plain.signs_of_life) == (None, 0)

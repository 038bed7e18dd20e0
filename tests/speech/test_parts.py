import random
import time
from collections.abc import AsyncGenerator

import pytest

from sayna.audio.wav import render_header
from sayna.errors import NetworkFailed
from sayna.speech.options import SynthesizerOptions
from sayna.speech.parts import InParts, cut_text, in_parts
from sayna.speech.protocols import AudioFormat, Versioned, Watched
from tests.fakes.scripted import ScriptedProvider, ScriptedSynthesizer


class ShortBreathed:
    """Says at most so many characters at once: their bytes."""

    def __init__(self, max_text_chars: int | None, audio_format: str = "linear16") -> None:
        self.max_text_chars = max_text_chars
        self.audio_format = AudioFormat(audio_format, 8_000)
        self.speech_version = "second"
        self.spoken: list[str] = []
        self.closed = 0
        self.fails_at: str | None = None

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        self.spoken.append(text)
        try:
            if text == self.fails_at:
                raise NetworkFailed("no")
            if self.audio_format.name == "wav":
                header = render_header(8_000)
                yield header[:10]
                yield header[10:] + text.encode()[:1]
            else:
                yield text.encode()[:1]
            yield text.encode()[1:]
        finally:
            self.closed += 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("  ", []),
        ("Yes.", ["Yes."]),
        ("It is so. Is it not? Yes", ["It is so. Is it not?", "Yes"]),
        ("He said “It is so.” Then he left it", ["He said “It is so.”", "Then he left it"]),
        ("It is 3.5 metres of rope, no more", ["It is 3.5 metres of", "rope, no more"]),
        ("first, second, third and so on", ["first, second,", "third and so on"]),
        ("one two three four five six", ["one two three four", "five six"]),
        ("one\ntwo three four five six", ["one", "two three four five", "six"]),
        ("x" * 45, ["x" * 20, "x" * 20, "x" * 5]),
        ("exactly twenty chars one more", ["exactly twenty chars", "one more"]),
    ],
)  # fmt: skip
def test_texts_are_cut_at_sentences_then_clauses_then_words(text: str, parts: list[str]) -> None:
    assert list(cut_text(text, 20)) == parts


def test_sentences_without_spaces_are_cut_too() -> None:
    text = "文です。長い文ですから、切ります。"
    assert list(cut_text(text, 8)) == ["文です。", "長い文ですから、", "切ります。"]


def test_no_text_is_lost_and_no_part_is_too_long() -> None:
    chance = random.Random(4)  # noqa: S311 - no secret
    for _ in range(500):
        text = "".join(chance.choices("ab .,!?;:\n\"'。、é", k=chance.randrange(200)))
        limit = chance.randrange(1, 30)
        parts = list(cut_text(text, limit))
        assert "".join("".join(parts).split()) == "".join(text.split())
        assert all(part and len(part) <= limit and part == part.strip() for part in parts)


def test_a_text_made_to_be_slow_to_cut_is_not() -> None:
    began = time.process_time()
    for text in ("." * 20_000, ".\"'" * 7_000, '."' + '"' * 20_000, "," * 20_000):
        list(cut_text(text, 2_000))
    assert time.process_time() - began < 1


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="0 characters"):
        list(cut_text("hello", 0))


@pytest.mark.parametrize("limit", [None, 20])
async def test_a_long_text_sounds_as_one_utterance(limit: int | None) -> None:
    engine = ShortBreathed(limit)
    voice = in_parts(engine)
    audio = b"".join([piece async for piece in voice.speak("It is so. Is it not? Yes")])
    assert audio == (b"It is so. Is it not?Yes" if limit else b"It is so. Is it not? Yes")
    assert engine.closed == len(engine.spoken) == (2 if limit else 1)
    assert voice.audio_format == engine.audio_format


async def test_a_wav_in_parts_is_one_file() -> None:
    voice = in_parts(ShortBreathed(3, "wav"))
    pieces = [piece async for piece in voice.speak("one two six")]
    assert all(pieces)
    assert b"".join(pieces) == render_header(8_000) + b"onetwosix"


async def test_a_part_that_fails_ends_the_utterance() -> None:
    engine = ShortBreathed(3)
    engine.fails_at = "two"
    heard: list[bytes] = []

    async def listen() -> None:
        async for piece in in_parts(engine).speak("one two six"):
            heard.append(piece)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(NetworkFailed):
        await listen()
    assert b"".join(heard) == b"one"
    assert engine.spoken == ["one", "two"]


async def test_closing_it_closes_the_part_and_begins_no_other() -> None:
    engine = ShortBreathed(3)
    speech = in_parts(engine).speak("one two six")
    await anext(speech)
    await speech.aclose()
    assert (engine.spoken, engine.closed) == (["one"], 1)


def test_a_voice_in_parts_tells_its_version_and_one_without_a_limit_stays_itself() -> None:
    voice = in_parts(ShortBreathed(3))
    assert isinstance(voice, Versioned)
    assert voice.speech_version == "second"
    plain = ScriptedSynthesizer(ScriptedProvider(), SynthesizerOptions("scripted"))
    assert in_parts(plain) is plain


@pytest.mark.parametrize("limit_s", [None, 1.5])
def test_a_voice_in_parts_is_watched_as_the_one_within(limit_s: float | None) -> None:
    provider = ScriptedProvider()
    provider.max_text_chars, provider.stall_limit_s = 9, limit_s
    voice = in_parts(ScriptedSynthesizer(provider, SynthesizerOptions("scripted")))
    assert isinstance(voice, InParts)
    assert isinstance(voice, Watched)
    assert (voice.stall_limit_s, voice.signs_of_life) == (limit_s, 0)

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from sayna.errors import (
    ConnectionFailed,
    NetworkFailed,
    ProviderError,
    ProviderRefused,
    ProviderTimeout,
)
from sayna.providers.tones.faults import STALL_LIMIT_S, FaultLedger
from sayna.providers.tones.faulty_synthesizer import ODD_SIZES, FaultySynthesizer
from sayna.providers.tones.synthesizer import TonesSynthesizer
from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import Versioned, Watched
from tests.fakes.session import settle

TEXT = "one two three four five"
LIMIT_S = 10.0


class Waits:
    """Remembers for how long somebody wanted to wait, and lets them go on at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


def open_voice(
    model: str,
    sleep: Callable[[float], Awaitable[None]],
    ledger: FaultLedger | None = None,
    audio_format: str = "linear16",
) -> FaultySynthesizer:
    options = SynthesizerOptions("tones", sample_rate=8_000, audio_format=audio_format)
    plan = (ledger or FaultLedger()).plan("tts", model)
    return FaultySynthesizer(TonesSynthesizer(options), plan, LIMIT_S, sleep)


async def spoken(voice: FaultySynthesizer, text: str = TEXT) -> tuple[list[bytes], str]:
    """Return the chunks that came, and the name of the error that ended them."""
    chunks: list[bytes] = []
    try:
        async for chunk in voice.speak(text):
            chunks.append(chunk)  # noqa: PERF401 - those before the error count
    except ProviderError as error:
        return chunks, type(error).__name__
    return chunks, ""


async def whole(audio_format: str = "linear16") -> list[bytes]:
    options = SynthesizerOptions("tones", sample_rate=8_000, audio_format=audio_format)
    return [chunk async for chunk in TonesSynthesizer(options).speak(TEXT)]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("drop", ConnectionFailed),
        ("reset", NetworkFailed),
        ("garbage", ProviderRefused),
        ("status:503", ProviderRefused),
        ("stall", ProviderTimeout),
        ("half-open", ProviderTimeout),
    ],
)
async def test_a_failure_comes_at_its_place(fault: str, kind: type[ProviderError]) -> None:
    waits, usual = Waits(), await whole()
    assert await spoken(open_voice(fault, waits.sleep)) == ([], kind.__name__)
    assert await spoken(open_voice(f"{fault}@2w", waits.sleep)) == (usual[:2], kind.__name__)
    chunks, error = await spoken(open_voice(f"{fault}@400ms", waits.sleep))
    assert (b"".join(chunks), error) == (b"".join(usual)[: 400 * 16], kind.__name__)


async def test_the_header_of_a_file_is_no_audio() -> None:
    chunks, _ = await spoken(open_voice("drop@100ms", Waits().sleep, audio_format="wav"))
    assert sum(map(len, chunks)) == 44 + 100 * 16


async def test_a_place_behind_the_end_is_never_reached() -> None:
    assert await spoken(open_voice("drop@6w", Waits().sleep)) == (await whole(), "")


async def test_a_count_spans_utterances_and_voices() -> None:
    ledger, sleep = FaultLedger(), Waits().sleep
    voice = open_voice("drop@1w*2", sleep, ledger)
    assert (await spoken(voice))[1] == "ConnectionFailed"
    assert (await spoken(open_voice("drop@1w*2", sleep, ledger)))[1] == "ConnectionFailed"
    assert await spoken(voice) == (await whole(), "")


async def test_a_stall_lasts_as_long_as_it_says() -> None:
    waits = Waits()
    assert await spoken(open_voice("stall:1500ms@2w", waits.sleep)) == (await whole(), "")
    assert waits.seconds == [1.5]


async def test_a_slow_first_byte_comes_later_in_each_utterance() -> None:
    waits = Waits()
    voice = open_voice("slow-first-byte:800ms", waits.sleep)
    for _ in range(2):
        assert await spoken(voice) == (await whole(), "")
    assert waits.seconds == [0.8, 0.8]


async def test_no_silence_is_borne_for_longer_than_the_limit() -> None:
    waits = Waits()
    assert (await spoken(open_voice("stall:60s", waits.sleep)))[1] == "ProviderTimeout"
    assert waits.seconds == [LIMIT_S]


@pytest.mark.parametrize("fault", ["half-open*1", "stall*1"])
async def test_whoever_gives_up_a_silent_voice_gets_another_connection(fault: str) -> None:
    voice = open_voice(fault, Waits().sleep)
    assert (await spoken(voice))[1] == "ProviderTimeout"
    assert await spoken(voice) == (await whole(), "")


async def test_a_half_open_connection_silences_two_utterances_and_a_stall_one() -> None:
    over = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        await over.wait()

    for fault, second in (("half-open@1w*1", 0), ("stall@1w*1", 5)):
        over.clear()
        voice = open_voice(fault, sleep)
        heard = [0, 0]

        async def listen(number: int, voice: FaultySynthesizer, heard: list[int]) -> None:
            async for _ in voice.speak(TEXT):
                heard[number] += 1

        first = asyncio.ensure_future(listen(0, voice, heard))
        await settle()
        other = asyncio.ensure_future(listen(1, voice, heard))
        await settle()
        assert heard == [1, second]
        over.set()
        await asyncio.gather(first, other, return_exceptions=True)


async def test_a_failure_at_the_end_comes_behind_the_last_word() -> None:
    usual = await whole()
    assert await spoken(open_voice("drop@end", Waits().sleep)) == (usual, "ConnectionFailed")
    assert await spoken(open_voice("drop@open", Waits().sleep)) == (usual, "")


def test_it_says_how_long_its_silence_means_nothing() -> None:
    for voice in (open_voice("drop", Waits().sleep), TonesSynthesizer(SynthesizerOptions("tones"))):
        assert isinstance(voice, Watched)
        assert (voice.stall_limit_s, voice.signs_of_life) == (STALL_LIMIT_S, 0)


async def test_odd_chunks_have_odd_sizes_and_the_same_audio() -> None:
    chunks, _ = await spoken(open_voice("odd-chunks", Waits().sleep))
    assert b"".join(chunks) == b"".join(await whole())
    assert [len(chunk) for chunk in chunks[:4]] == list(ODD_SIZES[:4])
    assert any(len(chunk) % 2 for chunk in chunks)


async def test_a_text_without_words_asks_nothing_of_anybody() -> None:
    assert await spoken(open_voice("status:503", Waits().sleep), " ") == ([], "")


class Letters:
    """A text that comes letter by letter."""

    def __init__(self, text: str) -> None:
        self._letters = iter(text)
        self.asked = 0

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        self.asked += 1
        for letter in self._letters:
            return letter
        raise StopAsyncIteration


@pytest.mark.parametrize("fault", ["drop@2w", "drop@400ms", "odd-chunks", "stall:1s@1w"])
async def test_a_text_in_pieces_meets_the_same_faults_at_the_same_places(fault: str) -> None:
    expected = await spoken(open_voice(fault, Waits().sleep))
    waits, chunks, failure = Waits(), list[bytes](), ""
    try:
        async for chunk in open_voice(fault, waits.sleep).speak_stream(Letters(TEXT)):
            chunks.append(chunk)
    except ProviderError as error:
        failure = type(error).__name__
    assert (chunks, failure) == expected
    assert waits.seconds == ([1.0] if "stall" in fault else [])


async def test_a_fault_at_the_start_comes_before_any_piece() -> None:
    letters = Letters(TEXT)
    with pytest.raises(ConnectionFailed):
        await anext(open_voice("drop", Waits().sleep).speak_stream(letters))
    assert letters.asked == 0


def test_faulty_speech_is_never_remembered() -> None:
    voice = open_voice("drop", Waits().sleep)
    assert isinstance(voice, Versioned)
    assert voice.speech_version is None

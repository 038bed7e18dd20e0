import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from sayna.errors import (
    ConnectionFailed,
    MissingProviderAuth,
    NetworkFailed,
    ProviderError,
    ProviderMisconfigured,
    UnsupportedProvider,
)
from sayna.providers.cached import SpeechMemory
from sayna.session import opening, revival
from sayna.session.opening import (
    ConfigRefused,
    Media,
    SessionRequest,
    SttRequest,
    TtsRequest,
    open_media,
    resolve,
)
from sayna.settings.tree import Settings
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.storage.speech_cache import SpeechCache
from tests.fakes.scripted import (
    ScriptedProvider,
    ScriptedRecognizer,
    ScriptedSynthesizer,
    StreamingSynthesizer,
    speech_of,
)
from tests.fakes.session import HandClock, MemoryOutlet, Shelf, settle

STT = SttRequest(RecognizerOptions("ears"))
TTS = TtsRequest(SynthesizerOptions("voice"))


class House:
    """Two providers and a place to open them."""

    def __init__(self) -> None:
        self.ears = ScriptedProvider("ears")
        self.voice = ScriptedProvider("voice")
        self.outlet = MemoryOutlet()

    @asynccontextmanager
    async def open(
        self, tts: TtsRequest = TTS, memory: SpeechMemory | None = None
    ) -> AsyncGenerator[Media, None]:
        async with open_media(
            STT,
            tts,
            outlet=self.outlet,
            providers=Shelf({"ears": self.ears, "voice": self.voice}),
            settings=Settings(),
            clock=HandClock(),
            memory=memory,
        ) as media:
            yield media

    def is_closed(self) -> bool:
        opened: list[ScriptedRecognizer | ScriptedSynthesizer] = [
            *self.ears.recognizers,
            *self.voice.synthesizers,
        ]
        return all(one.closed for one in opened)


async def test_both_open_and_both_close_with_the_block() -> None:
    house = House()
    async with house.open() as media:
        media.listening.hear(b"\0\0")
        media.speaking.speak("hi", allow_interruption=True)
        await media.speaking.wait_idle()
        assert not house.is_closed()
    assert house.ears.recognizers[0].audio == b"\0\0"
    assert house.ears.recognizers[0].finished
    assert house.is_closed()


async def test_a_text_too_long_for_the_voice_is_said_in_parts_and_completes_once() -> None:
    house = House()
    house.voice.max_text_chars = 9
    async with house.open() as media:
        media.speaking.speak("Good day. How are you", allow_interruption=True)
        await media.speaking.wait_idle()
    assert house.voice.synthesizers[0].spoken == ["Good day.", "How are", "you"]
    assert b"".join(house.outlet.frames) == speech_of("Good day. How are you")
    assert house.outlet.completions == 1


async def test_an_engine_that_takes_a_text_in_pieces_gets_it_past_the_cache() -> None:
    house = House()
    house.voice.streams_text = True
    house.voice.max_text_chars = 9
    cache = SpeechCache(memory_bytes=100_000, memory_entries=10, ttl_s=60)
    async with house.open(memory=SpeechMemory(cache, Settings())) as media:
        for _ in range(2):
            media.speaking.speak("Good day. How ", allow_interruption=True, flush=False)
            media.speaking.speak("are you", allow_interruption=True)
            await media.speaking.wait_idle()
            media.speaking.speak("Good day. How are you", allow_interruption=True)
            await media.speaking.wait_idle()
    [engine] = house.voice.synthesizers
    assert isinstance(engine, StreamingSynthesizer)
    assert ["".join(pieces) for pieces in engine.streamed] == ["Good day. How are you"] * 2
    assert engine.spoken == ["Good day.", "How are", "you"]
    assert b"".join(house.outlet.frames) == speech_of("Good day. How are you " * 4)


async def test_the_sentences_of_an_engine_that_takes_no_pieces_are_remembered() -> None:
    house = House()
    cache = SpeechCache(memory_bytes=100_000, memory_entries=10, ttl_s=60)
    async with house.open(memory=SpeechMemory(cache, Settings())) as media:
        for _ in range(2):
            media.speaking.speak("Good day. ", allow_interruption=True, flush=False)
            media.speaking.speak("Bye.", allow_interruption=True)
            await media.speaking.wait_idle()
    assert house.voice.synthesizers[0].spoken == ["Good day.", "Bye."]
    assert b"".join(house.outlet.frames) == speech_of("Good day. Bye." + " Good day. Bye.")


async def test_both_open_at_the_same_time() -> None:
    house = House()
    house.ears.open_gate = gate = asyncio.Event()
    house.voice.open_gate = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        opening = tasks.create_task(_hold(house))
        await settle()
        house.voice.open_gate.set()
        await settle()
        assert house.voice.synthesizers
        assert not house.ears.recognizers
        gate.set()
        await opening


async def _hold(house: House) -> None:
    async with house.open():
        pass


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NetworkFailed("no route"), "start voice manager: STT error: Network error: no route"),
        (
            ProviderMisconfigured("no such model"),
            "create voice manager: STT error: Configuration error: no such model",
        ),
    ],
)
async def test_a_recognizer_that_does_not_open_refuses_the_config(
    error: ProviderError, text: str
) -> None:
    house = House()
    house.ears.open_recognizer_error = error
    with pytest.raises(ConfigRefused) as refused:
        await _hold(house)
    assert str(refused.value) == f"Failed to {text}"
    assert house.is_closed()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            ConnectionFailed("no route"),
            "start voice manager: TTS error: Connection failed: no route",
        ),
        (
            ProviderMisconfigured("no such voice"),
            "create voice manager: TTS error: Invalid configuration: no such voice",
        ),
    ],
)
async def test_a_synthesizer_that_does_not_open_refuses_the_config(
    error: ProviderError, text: str
) -> None:
    house = House()
    house.voice.open_synthesizer_error = error
    with pytest.raises(ConfigRefused) as refused:
        await _hold(house)
    assert str(refused.value) == f"Failed to {text}"
    assert house.is_closed()


async def test_the_one_that_still_opens_is_given_up_when_the_other_fails() -> None:
    house = House()
    house.ears.open_gate = asyncio.Event()
    house.voice.open_synthesizer_error = NetworkFailed("no")
    async with asyncio.timeout(5):
        with pytest.raises(ConfigRefused, match="TTS error"):
            await _hold(house)
    assert house.ears.recognizers == []


async def test_a_synthesizer_that_takes_too_long_refuses_the_config() -> None:
    house = House()
    house.voice.open_gate = asyncio.Event()
    hasty = TtsRequest(replace(TTS.options, connection_timeout_s=0.01))
    with pytest.raises(ConfigRefused) as refused:
        async with house.open(hasty):
            pass
    assert str(refused.value) == (
        "Failed to start voice manager: TTS error: Timeout error: Connection timeout"
    )
    assert house.is_closed()


async def test_a_provider_that_breaks_in_an_unforeseen_way_refuses_the_config() -> None:
    house = House()
    house.ears.open_recognizer_error = ZeroDivisionError()  # type: ignore[assignment]  # a bug in a provider
    with pytest.raises(ConfigRefused) as refused:
        await _hold(house)
    assert str(refused.value) == (
        "Failed to start voice manager: STT error: Connection failed:"
        " the engine failed unexpectedly"
    )
    assert house.is_closed()


async def test_whoever_is_cancelled_while_opening_leaves_nothing_open() -> None:
    house = House()
    house.ears.open_gate = asyncio.Event()
    opening = asyncio.ensure_future(_hold(house))
    await settle()
    assert house.voice.synthesizers
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert house.is_closed()


async def test_whoever_is_cancelled_while_working_leaves_nothing_open() -> None:
    house = House()
    opened = asyncio.Event()

    async def work() -> None:
        async with house.open():
            opened.set()
            await asyncio.Event().wait()

    working = asyncio.ensure_future(work())
    await opened.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert house.is_closed()
    assert house.ears.recognizers[0].finished


def test_credentials_of_speech_to_text_are_looked_at_first() -> None:
    request = SessionRequest(
        stt=SttRequest(RecognizerOptions("Foo")), tts=TtsRequest(SynthesizerOptions("bar"))
    )
    with pytest.raises(UnsupportedProvider, match="Unsupported provider: foo"):
        resolve(request, Shelf({}), Settings())


def test_missing_credentials_are_an_error_before_anything_is_opened() -> None:
    shelf = Shelf({"deepgram": ScriptedProvider("deepgram")})
    request = SessionRequest(stt=SttRequest(RecognizerOptions("deepgram")), tts=TTS)
    with pytest.raises(MissingProviderAuth):
        resolve(request, shelf, Settings())


def test_names_become_canonical_and_the_requests_own_key_is_used() -> None:
    shelf = Shelf({"deepgram": ScriptedProvider("deepgram"), "azure": ScriptedProvider("azure")})
    request = SessionRequest(
        stt=SttRequest(RecognizerOptions("DeepGram"), {"api_key": "k"}),
        tts=TtsRequest(SynthesizerOptions("deepgram"), {"api_key": "v"}),
    )
    resolved = resolve(request, shelf, Settings())
    assert resolved.stt is not None
    assert resolved.tts is not None
    assert resolved.stt.options.provider == "deepgram"
    assert resolved.stt.options.credentials == {"api_key": "k"}
    assert resolved.tts.options.credentials == {"api_key": "v"}
    assert "'k'" not in repr(resolved)


async def test_a_recognizer_that_takes_too_long_refuses_the_config(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "RECOGNIZER_LIMIT_S", 0.01)
    house = House()
    house.ears.open_gate = asyncio.Event()
    with pytest.raises(ConfigRefused) as refused:
        await _hold(house)
    assert str(refused.value) == (
        "Failed to start voice manager: STT error: Connection failed: Connection timeout"
    )


async def test_an_engine_that_does_not_close_is_left_behind_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "CLOSING_LIMIT_S", 0.01)
    house = House()
    stuck = asyncio.Event()

    @asynccontextmanager
    async def open_stubborn(
        options: SynthesizerOptions,
    ) -> AsyncGenerator[ScriptedSynthesizer, None]:
        try:
            yield ScriptedSynthesizer(house.voice, options)
        finally:
            await stuck.wait()

    monkeypatch.setattr(house.voice, "open_synthesizer", open_stubborn)
    async with asyncio.timeout(5):
        await _hold(house)
    assert house.is_closed()


async def test_an_engine_that_fails_to_close_does_not_keep_the_other_from_closing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House()

    @asynccontextmanager
    async def open_broken(options: SynthesizerOptions) -> AsyncGenerator[ScriptedSynthesizer, None]:
        yield ScriptedSynthesizer(house.voice, options)
        raise NetworkFailed("cannot say good bye")

    monkeypatch.setattr(house.voice, "open_synthesizer", open_broken)
    await _hold(house)
    assert house.is_closed()


@asynccontextmanager
async def hang(steps: int) -> AsyncGenerator[ScriptedRecognizer, None]:
    """Never open, and close in steps that each hang until they are cancelled."""
    try:
        if steps:
            async with hang(steps - 1) as recognizer:
                yield recognizer
        else:
            await asyncio.Event().wait()
    finally:
        await asyncio.Event().wait()


@pytest.mark.parametrize("side", ["open_recognizer", "open_synthesizer"])
@pytest.mark.parametrize("reason", ["cancelled", "refused"])
async def test_an_engine_that_hangs_while_it_opens_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, side: str, reason: str
) -> None:
    for module in (opening, revival):
        monkeypatch.setattr(module, "CLOSING_LIMIT_S", 0.01)
    house, before = House(), asyncio.all_tasks()
    hangs, other = (house.ears, house.voice) if "rec" in side else (house.voice, house.ears)
    monkeypatch.setattr(hangs, side, lambda _options: hang(3))
    if reason == "refused":
        other.open_recognizer_error = other.open_synthesizer_error = NetworkFailed("no")
    opened = asyncio.ensure_future(_hold(house))
    await settle()
    if reason == "cancelled":
        opened.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait([opened])
    assert opened.cancelled() or isinstance(opened.exception(), ConfigRefused)
    assert house.is_closed()
    assert asyncio.all_tasks() == before

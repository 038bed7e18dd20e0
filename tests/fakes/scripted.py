"""A provider that plays a script and remembers what was asked of it.

    provider = ScriptedProvider(hears=[Transcript("hello", is_final=True, is_speech_final=True)])
    async with provider.open_recognizer(options) as recognizer: ...
    provider.recognizers[0].audio       what it was sent
    provider.recognizers[0].emit(...)   what it says next
    provider.recognizers[0].fail(...)   the engine dies
    provider.synthesizers[0].spoken     what it was asked to say

Faults and delays are attributes that a test sets: `open_recognizer_error`,
`open_synthesizer_error`, `speak_error`, `voices_error`; `open_gate` and `speak_gate` hold back
until their event is set, `speak_gates` does so for one text. `speak_failures` are for one text
too: one for each attempt at it, before its first audio. With `streams_text` the synthesizers take
texts in pieces (`streamed`); `stream_failures` are for the attempts at such texts, at the first
piece of each. With a `stall_limit_s` both sides are watched; a recognizer counts what it is sent
as its signs of life, unless it is `stalled`.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from sayna.errors import ProviderError, ProviderMisconfigured
from sayna.speech.events import SpeechEvent
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import AudioFormat, Voice

WORD_BYTES = 320
CHUNK_BYTES = 320


def speech_of(text: str) -> bytes:
    """Return what the scripted synthesizer says for a text: 320 bytes a word, told by the word."""
    return b"".join(
        (hashlib.sha256(word.encode()).digest() * (WORD_BYTES // 32)) for word in text.split()
    )


class ScriptedRecognizer:
    """A recognizer that hears what its test tells it to hear."""

    def __init__(
        self,
        options: RecognizerOptions,
        hears: Sequence[SpeechEvent],
        stall_limit_s: float | None = None,
    ) -> None:
        self.options = options
        self.stall_limit_s = stall_limit_s
        self.signs_of_life = 0
        self.stalled = False
        self.audio = bytearray()
        self.finalized = 0
        self.finished = False
        self.closed = False
        self.heard_audio = asyncio.Event()
        self._script = list(hears)
        self._events: asyncio.Queue[SpeechEvent | ProviderError | None] = asyncio.Queue(1000)

    def emit(self, event: SpeechEvent) -> None:
        """Say this next."""
        self._events.put_nowait(event)

    def fail(self, error: ProviderError) -> None:
        """Break: `events` raises this after everything that was emitted before."""
        self._events.put_nowait(error)

    def send_audio(self, audio: bytes) -> None:
        self.audio += audio
        self.signs_of_life += not self.stalled
        self.heard_audio.set()

    def finalize(self) -> None:
        """Tell the next line of the script."""
        self.finalized += 1
        if self._script:
            self.emit(self._script.pop(0))

    def finish(self) -> None:
        """Tell the rest of the script and end."""
        if self.finished:
            return
        self.finished = True
        for event in self._script:
            self.emit(event)
        self._script.clear()
        self._events.put_nowait(None)

    async def events(self) -> AsyncIterator[SpeechEvent]:
        while (event := await self._events.get()) is not None:
            if isinstance(event, ProviderError):
                raise event
            yield event


class ScriptedSynthesizer:
    """A synthesizer whose audio can be computed from the text (`speech_of`)."""

    def __init__(self, provider: "ScriptedProvider", options: SynthesizerOptions) -> None:
        self.options = options
        self.spoken: list[str] = []
        self.completed: list[str] = []
        self.cancelled: list[str] = []
        self.closed = False
        self._provider = provider

    @property
    def audio_format(self) -> AudioFormat:
        return AudioFormat(self.options.audio_format, self.options.sample_rate)

    @property
    def stall_limit_s(self) -> float | None:
        return self._provider.stall_limit_s

    @property
    def signs_of_life(self) -> int:
        return 0

    @property
    def max_text_chars(self) -> int | None:
        return self._provider.max_text_chars

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        self.spoken.append(text)
        try:
            if failures := self._provider.speak_failures.get(text):
                raise failures.pop(0)
            audio = self._provider.speech(text)
            for start in range(0, len(audio), CHUNK_BYTES):
                await self._wait_and_fail(text)
                yield audio[start : start + CHUNK_BYTES]
            await self._wait_and_fail(text)
        except (GeneratorExit, asyncio.CancelledError):
            self.cancelled.append(text)
            raise
        self.completed.append(text)

    async def _wait_and_fail(self, text: str) -> None:
        await asyncio.sleep(0)  # as a real engine: others run between chunks
        for gate in (self._provider.speak_gate, self._provider.speak_gates.get(text)):
            if gate is not None:
                await gate.wait()
        if self._provider.speak_error is not None:
            raise self._provider.speak_error


class StreamingSynthesizer(ScriptedSynthesizer):
    """One that takes a text in pieces and says each word once a blank or the end follows it."""

    def __init__(self, provider: "ScriptedProvider", options: SynthesizerOptions) -> None:
        super().__init__(provider, options)
        self.streamed: list[list[str]] = []
        """The pieces of each attempt."""
        self.ended = 0
        """Texts that came to their end."""

    async def speak_stream(self, texts: AsyncIterator[str]) -> AsyncGenerator[bytes, None]:
        pieces: list[str] = []
        self.streamed.append(pieces)
        begun = ""
        try:
            async for piece in texts:
                pieces.append(piece)
                if self._provider.stream_failures:
                    raise self._provider.stream_failures.pop(0)
                *words, begun = (begun + piece).split(" ")
                for word in words:
                    await self._wait_and_fail(word)
                    yield self._provider.speech(word)
            self.ended += 1
            await self._wait_and_fail(begun)
            yield self._provider.speech(begun)
        except (GeneratorExit, asyncio.CancelledError):
            self.cancelled.append("".join(pieces))
            raise
        self.completed.append("".join(pieces))


class ScriptedProvider:
    """A `Provider` for tests.

    Args:
        name: canonical name.
        hears: what each recognizer tells, one event for each `finalize`, the rest on `finish`.
        voice_ids: voices that exist; empty: any voice does.
        speech: text to audio; `speech_of` unless a test needs its own.
    """

    def __init__(
        self,
        name: str = "scripted",
        *,
        hears: Sequence[SpeechEvent] = (),
        voice_ids: Sequence[str] = (),
        speech: Callable[[str], bytes] = speech_of,
    ) -> None:
        self._name = name
        self.hears = hears
        self.voice_ids = tuple(voice_ids)
        self.speech = speech
        self.recognizers: list[ScriptedRecognizer] = []
        self.synthesizers: list[ScriptedSynthesizer] = []
        self.open_gate: asyncio.Event | None = None
        self.speak_gate: asyncio.Event | None = None
        self.open_recognizer_error: ProviderError | None = None
        self.open_synthesizer_error: ProviderError | None = None
        self.speak_error: ProviderError | None = None
        self.max_text_chars: int | None = None
        self.stall_limit_s: float | None = None
        self.speak_gates: dict[str, asyncio.Event] = {}
        self.speak_failures: dict[str, list[ProviderError]] = {}
        self.streams_text = False
        self.stream_failures: list[ProviderError] = []
        self.voices_error: ProviderError | None = None

    @property
    def name(self) -> str:
        return self._name

    @asynccontextmanager
    async def open_recognizer(
        self, options: RecognizerOptions
    ) -> AsyncGenerator[ScriptedRecognizer, None]:
        await self._pass_gate()
        if self.open_recognizer_error is not None:
            raise self.open_recognizer_error
        if options.sample_rate <= 0:
            raise ProviderMisconfigured(f"stt_config.sample_rate {options.sample_rate} is not one")
        recognizer = ScriptedRecognizer(options, self.hears, self.stall_limit_s)
        self.recognizers.append(recognizer)
        try:
            yield recognizer
        finally:
            recognizer.closed = True

    @asynccontextmanager
    async def open_synthesizer(
        self, options: SynthesizerOptions
    ) -> AsyncGenerator[ScriptedSynthesizer, None]:
        await self._pass_gate()
        if self.open_synthesizer_error is not None:
            raise self.open_synthesizer_error
        if options.sample_rate <= 0:
            raise ProviderMisconfigured(f"tts_config.sample_rate {options.sample_rate} is not one")
        if self.voice_ids and options.voice_id not in {None, *self.voice_ids}:
            raise ProviderMisconfigured(f"there is no voice {options.voice_id}")
        kind = StreamingSynthesizer if self.streams_text else ScriptedSynthesizer
        synthesizer = kind(self, options)
        self.synthesizers.append(synthesizer)
        try:
            yield synthesizer
        finally:
            synthesizer.closed = True

    async def voices(self) -> Sequence[Voice]:
        if self.voices_error is not None:
            raise self.voices_error
        return [Voice(id=voice_id, name=voice_id) for voice_id in self.voice_ids]

    async def _pass_gate(self) -> None:
        if self.open_gate is not None:
            await self.open_gate.wait()

"""A provider that keeps every rule, small enough to be broken in one place at a time.

Each word it knows is a level, held for a while; its ear reads the levels back. Any other word is
too soft for the ear.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

import numpy as np

from sayna.audio.convert import Inbound, Outbound
from sayna.conformance import Case, Fault, Hearing, Speaking
from sayna.conformance.case import SENTENCE, SHORT_SENTENCE
from sayna.errors import (
    ConnectionFailed,
    NetworkFailed,
    ProviderAuthFailed,
    ProviderError,
    ProviderMisconfigured,
)
from sayna.settings.tree import Settings
from sayna.speech.events import SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import AudioFormat, Provider, Voice

RATE_HZ = 16_000
WORDS = tuple(f"{SENTENCE} {SHORT_SENTENCE}".split())
STEP = 1_500
BLOCK = RATE_HZ // 100
HELD_BLOCKS, PAUSE_BLOCKS, SURE_BLOCKS = 15, 5, 6
MAX_EVENTS = 256
WRONG_KEY = "a-wrong-key-that-nobody-may-see"
FAILING = "failing"
"""The model whose engine dies, once for each provider and side."""


def sound_of(word: str) -> bytes:
    """Return s16le mono at RATE_HZ: a level for the word, then a pause."""
    known = word.strip(".").lower()
    level = STEP * (WORDS.index(known) + 1) if known in WORDS else STEP // 4
    held = np.full(BLOCK * HELD_BLOCKS, level, "<i2")
    return held.tobytes() + bytes(2 * BLOCK * PAUSE_BLOCKS)


def speech_of(text: str) -> bytes:
    """Return a text, word by word."""
    return b"".join(map(sound_of, text.split()))


class Speaker:
    """One session's voice."""

    max_text_chars: int | None = 2_000
    stall_limit_s: float | None = 5.0
    signs_of_life = 0

    def __init__(self, provider: "Reference", options: SynthesizerOptions) -> None:
        self.provider, self.options = provider, options

    @property
    def audio_format(self) -> AudioFormat:
        return AudioFormat(self.options.audio_format, self.options.sample_rate)

    @property
    def speech_version(self) -> str | None:
        return "1"

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        out = Outbound(RATE_HZ, self.options.audio_format, self.options.sample_rate)
        for word in self.words(text):
            await asyncio.sleep(0)
            if audio := out.feed(sound_of(word)):
                yield audio
            if self.options.model == FAILING and self.provider.may_fail("speaking"):
                raise self.failure(text)
        if text.split() and (rest := out.finish()):
            yield rest

    async def speak_stream(self, texts: AsyncIterator[str]) -> AsyncGenerator[bytes, None]:
        out = Outbound(RATE_HZ, self.options.audio_format, self.options.sample_rate)
        text = ""
        async for piece in texts:
            *whole, text = (text + piece).split(" ")
            for word in filter(None, whole):
                yield out.feed(sound_of(word))
        for word in text.split():
            yield out.feed(sound_of(word))
        if rest := out.finish():
            yield rest

    def words(self, text: str) -> Sequence[str]:
        return text.split()

    def failure(self, text: str) -> Exception:
        del text
        return NetworkFailed("the line broke", retryable=True)


class Ear:
    """One caller's stream."""

    stall_limit_s: float | None = 5.0
    dropped_ms = 0.0

    def __init__(self, provider: "Reference", options: RecognizerOptions) -> None:
        self.provider, self.options = provider, options
        self.inbound = Inbound(options.encoding, options.sample_rate, options.channels, RATE_HZ)
        self.pcm = b""
        self.level, self.blocks = 0, 0
        self.segment: list[str] = []
        self.told: deque[SpeechEvent] = deque(maxlen=MAX_EVENTS)
        self.news = asyncio.Event()
        self.finishing = False
        self.error: ProviderError | None = None

    signs_of_life = 0

    def send_audio(self, audio: bytes) -> None:
        if not self.finishing:
            self.read(self.inbound.feed(audio))

    def finalize(self) -> None:
        if not self.finishing:
            self.read(self.inbound.flush())
            self.close_segment(speech_final=False)

    def finish(self) -> None:
        if self.finishing:
            return
        self.read(self.inbound.finish() + bytes(2 * BLOCK))
        self.finishing = True
        self.close_segment(speech_final=True)
        if self.options.model == FAILING and self.provider.may_fail("listening"):
            self.error = self.failure()
        self.news.set()

    async def events(self) -> AsyncGenerator[SpeechEvent, None]:
        while True:
            while self.told:
                yield self.told.popleft()
            if self.error is not None:
                raise self.error
            if self.finishing:
                return
            self.news.clear()
            await self.news.wait()

    def read(self, pcm: bytes) -> None:
        self.pcm += pcm
        whole = len(self.pcm) - len(self.pcm) % (2 * BLOCK)
        blocks = np.frombuffer(self.pcm[:whole], "<i2").reshape(-1, BLOCK)
        self.pcm = self.pcm[whole:]
        for level in np.round(blocks[:, BLOCK // 2] / STEP).astype(int) if whole else ():
            self.hear_block(int(level))

    def hear_block(self, level: int) -> None:
        if level == self.level:
            self.blocks += 1
            return
        if 1 <= self.level <= len(WORDS) and self.blocks >= SURE_BLOCKS:
            self.hear_word(WORDS[self.level - 1])
        self.level, self.blocks = level, 1

    def hear_word(self, word: str) -> None:
        self.signs_of_life += 1
        self.segment.append(word)
        self.tell(Transcript(" ".join(self.segment), confidence=0.5))

    def close_segment(self, *, speech_final: bool) -> None:
        if self.segment:
            self.tell(Transcript(" ".join(self.segment), True, speech_final, 1.0))
        self.segment.clear()

    def tell(self, event: SpeechEvent) -> None:
        self.told.append(event)
        self.news.set()

    def failure(self) -> ProviderError:
        return ConnectionFailed("the line broke", retryable=True)


class Reference:
    """A `Provider`; `speaker` and `ear` are what it opens."""

    name = "reference"
    speaker: ClassVar[type[Speaker]] = Speaker
    ear: ClassVar[type[Ear]] = Ear

    def __init__(self) -> None:
        self.failed: set[str] = set()
        self.present: set[Speaker] = set()
        self.ears: set[Ear] = set()
        self.left: list[str] = []

    def may_fail(self, side: str) -> bool:
        """Tell whether a side has not failed yet."""
        first = side not in self.failed
        self.failed.add(side)
        return first

    @asynccontextmanager
    async def open_recognizer(self, options: RecognizerOptions) -> AsyncGenerator[Ear, None]:
        if options.credentials:
            raise self.refuse_key(options.credentials["api_key"])
        try:
            ear = self.ear(self, options)
        except ValueError as error:
            raise ProviderMisconfigured(str(error)) from error
        yield ear

    @asynccontextmanager
    async def open_synthesizer(self, options: SynthesizerOptions) -> AsyncGenerator[Speaker, None]:
        if options.credentials:
            raise self.refuse_key(options.credentials["api_key"])
        self.check(options)
        yield self.speaker(self, options)

    async def close(self) -> None:
        """End what the provider holds: nothing."""

    def check(self, options: SynthesizerOptions) -> None:
        """Refuse what cannot be."""
        if options.voice_id not in {None, "plain"}:
            raise ProviderMisconfigured(f"there is no voice {options.voice_id!r}")
        try:
            Outbound(RATE_HZ, options.audio_format, options.sample_rate)
        except ValueError as error:
            raise ProviderMisconfigured(str(error)) from error

    def refuse_key(self, key: str) -> ProviderError:
        """Say that a key is wrong, and not which."""
        del key
        return ProviderAuthFailed("the key was refused")

    async def voices(self) -> Sequence[Voice]:
        return [Voice("plain", "Plain")]


def case_of(kind: type[Reference], *, speaks: bool = True, listens: bool = True) -> Case:
    """Return what the kit must know to check the reference provider or one made of it."""

    @asynccontextmanager
    async def open_provider(_: Settings) -> AsyncGenerator[Provider, None]:
        provider = kind()
        yield provider
        await provider.close()

    async def speech(provider: Provider) -> bytes:
        del provider  # another one says it: the ear is checked, not the voice
        return speech_of(SENTENCE)

    voice, ear = (
        SynthesizerOptions("reference", sample_rate=RATE_HZ),
        RecognizerOptions("reference"),
    )
    formats = (("linear16", 8_000), ("mulaw", 8_000), ("wav", 24_000), ("mp3", 24_000))
    return Case(
        "reference",
        open_provider,
        Speaking(voice, formats=formats, variation=0.02) if speaks else None,
        Hearing(ear, speech, encodings=("linear16", "alaw", "linear32")) if listens else None,
        wrong_credentials={"api_key": WRONG_KEY},
        faults=(
            Fault(
                "broken-line",
                NetworkFailed,
                speaking=SynthesizerOptions("reference", FAILING, sample_rate=RATE_HZ),
                retryable=True,
                passes=True,
            ),
            Fault(
                "broken-line",
                ConnectionFailed,
                hearing=RecognizerOptions("reference", model=FAILING),
            ),
        ),
        patience_s=20.0,
        close_limit_s=0.3,
    )


REFERENCE = case_of(Reference)

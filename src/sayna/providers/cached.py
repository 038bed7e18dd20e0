"""A Synthesizer that remembers; wraps any other.

What two callers may share is decided here, by what goes into the key of an utterance: everything
that makes its sound differ, and whose it is. Tenants share nothing; neither do credentials.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, fields
from typing import Literal

from sayna import __version__
from sayna.audio.formats import sample_bytes
from sayna.providers.credentials import fingerprint
from sayna.settings.tree import Settings
from sayna.settings.values import Section
from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import AudioFormat, Synthesizer, Watched, speech_version_of
from sayna.storage.speech_cache import SpeechCache

REPLAY_S = 0.1
"""Seconds of sound in each chunk that is replayed."""

CODED_CHUNK_BYTES = 4096
"""Of formats whose sound cannot be told from their size."""

BURST_CHUNKS = 4
"""Chunks replayed before other sessions get a turn."""

MUTE_OPTIONS = frozenset({"connection_timeout_s", "request_timeout_s", "credentials"})
"""Options that no sound depends on; credentials count by their fingerprint."""

Outcome = Literal["HIT", "MISS"]


class CachedSynthesizer:
    """Replays what was said before, and remembers what is said now.

    Only complete utterances are remembered: not one that failed, was cancelled, has no sound, or
    is too long. Two that are asked for at the same time for the first time are both made; the
    later one stays.

    Args:
        synthesizer: makes what is not remembered; opened and closed by the caller.
        cache: what is remembered.
        scope: everything besides the text that the sound depends on, as JSON can say it.
    """

    def __init__(
        self, synthesizer: Synthesizer, cache: SpeechCache, scope: dict[str, object]
    ) -> None:
        self._synthesizer = synthesizer
        self._cache = cache
        self._scope_hash = hashlib.sha256(b'{"scope":%b,"text":' % _canonical(scope))
        self.last_outcome: Outcome = "MISS"
        """Whether the utterance begun last was remembered."""

    @property
    def audio_format(self) -> AudioFormat:
        """That of the synthesizer within."""
        return self._synthesizer.audio_format

    @property
    def stall_limit_s(self) -> float | None:
        """That of the synthesizer within; None when nobody watches it."""
        inner = self._synthesizer
        return inner.stall_limit_s if isinstance(inner, Watched) else None

    @property
    def signs_of_life(self) -> int:
        """Those of the synthesizer within."""
        inner = self._synthesizer
        return inner.signs_of_life if isinstance(inner, Watched) else 0

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Yield the audio of one utterance, remembered or made now.

        Raises:
            ProviderError: the engine failed; what was yielded before stays valid.
        """
        key = self.key_of(text)
        if (audio := await self._recall(key)) is not None:
            for number, chunk in enumerate(_cut(audio, self.audio_format), 1):
                yield chunk
                if number % BURST_CHUNKS == 0:
                    await asyncio.sleep(0)
            return
        made = self._make(key, text)
        try:
            async for chunk in made:
                yield chunk
        finally:
            await made.aclose()

    async def speak_whole(self, text: str) -> bytes:
        """Return the audio of one utterance at once; what is remembered is not even copied.

        Raises:
            ProviderError: the engine failed.
        """
        key = self.key_of(text)
        if (audio := await self._recall(key)) is not None:
            return audio
        async with aclosing(self._make(key, text)) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def _make(self, key: str, text: str) -> AsyncGenerator[bytes, None]:
        said = _Said(self._cache.max_audio_bytes)
        chunks = self._synthesizer.speak(text)
        try:
            async for chunk in chunks:
                said.add(chunk)
                yield chunk
        finally:
            await chunks.aclose()
        self._cache.keep(key, said.whole(), self.audio_format)

    async def _recall(self, key: str) -> bytes | None:
        found = await self._cache.find(key)
        fits = found is not None and found.audio_format == self.audio_format
        self.last_outcome = "HIT" if fits else "MISS"
        return found.audio if found is not None and fits else None

    def key_of(self, text: str) -> str:
        """Return the key of a text: SHA-256 of the canonical JSON `{"scope", "text"}`, in hex."""
        hashed = self._scope_hash.copy()
        hashed.update(b"%b}" % _canonical(text))
        return hashed.hexdigest()


class _Said:
    """What an utterance amounts to so far, unless it is too long."""

    def __init__(self, max_bytes: int) -> None:
        self._room = max_bytes
        self._chunks: list[bytes] = []

    def add(self, chunk: bytes) -> None:
        self._room -= len(chunk)
        if self._room >= 0:
            self._chunks.append(chunk)
        else:
            self._chunks.clear()

    def whole(self) -> bytes:
        """Return all of it; nothing when it was too long."""
        return b"".join(self._chunks)


@dataclass(frozen=True, slots=True)
class SpeechMemory:
    """What was said before, as one caller may know it."""

    cache: SpeechCache
    settings: Settings
    """Those of the server: they say where a provider is reached."""
    tenant: str | None = None
    """Whose speech it is; None: that of all callers without a tenant."""

    def wrap(self, synthesizer: Synthesizer, options: SynthesizerOptions) -> Synthesizer:
        """Return a synthesizer that remembers, or the same one when nothing is to be.

        Args:
            synthesizer: open.
            options: those that it was opened with, credentials included.
        """
        version = speech_version_of(synthesizer)
        if version is None or not self.cache.max_audio_bytes:
            return synthesizer
        scope = self._scope_of(options, synthesizer.audio_format)
        return CachedSynthesizer(synthesizer, self.cache, {**scope, "speech_version": version})

    def _scope_of(self, options: SynthesizerOptions, delivers: AudioFormat) -> dict[str, object]:
        wished = {
            one.name: getattr(options, one.name)
            for one in fields(options)
            if one.name not in MUTE_OPTIONS
        }
        return {
            **wished,
            "audio_format": delivers.name,
            "sample_rate": delivers.sample_rate,
            "endpoint": _endpoint(self.settings, options.provider),
            "credentials": fingerprint(options.provider, options.credentials),
            "tenant": self.tenant,
            "sayna": __version__,
        }


def _endpoint(settings: Settings, provider: str) -> dict[str, object]:
    """Return where a provider is reached, or where its models lie; empty for strangers."""
    section = getattr(settings.providers, provider, None)
    if provider == "local":
        return {"models_path": str(settings.providers.local.models_path)}
    return section.model_dump(mode="json") if isinstance(section, Section) else {}


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def _cut(audio: bytes, audio_format: AudioFormat) -> Iterator[bytes]:
    size = _chunk_bytes(audio_format)
    return (audio[start : start + size] for start in range(0, len(audio), size))


def _chunk_bytes(audio_format: AudioFormat) -> int:
    width = 2 if audio_format.name == "wav" else sample_bytes(audio_format.name)
    if width is None:
        return CODED_CHUNK_BYTES
    return max(1, round(audio_format.sample_rate * REPLAY_S)) * width

"""Speech that was made before: in memory, over a folder when there is one.

Utterances are found by a key that somebody else makes (see `sayna.providers.cached`): the SHA-256
of everything that makes them differ, in lower-case hex. Nothing here knows texts or callers.
"""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from cachetools import TLRUCache

from sayna.settings.tree import Cache
from sayna.speech.protocols import AudioFormat
from sayna.storage.speech_archive import SpeechArchive, open_archive
from sayna.storage.speech_file import StoredSpeech
from sayna.storage.speech_folder import MAX_AUDIO_BYTES, SpeechFolder

FOLDER = "speech"
"""Where the utterances are, below the cache folder."""

MEMORY_SHARE = 8
"""No utterance takes more than an eighth of the memory."""

TOUCH_EVERY_S = 3600.0
"""Seconds after which a use from memory is noted on disk, where the longest unread go first."""


@dataclass(slots=True)
class _Held:
    speech: StoredSpeech
    touched_s: float


class SpeechCache:
    """Complete utterances, by key, at most so old.

    Args:
        memory_bytes: of audio in memory together; 0: nothing is held there.
        memory_entries: utterances in memory.
        ttl_s: seconds that an utterance may be used; 0: nothing is kept at all.
        archive: where they outlive the process.
        epoch_s: the time, seconds since 1970.
    """

    def __init__(
        self,
        *,
        memory_bytes: int,
        memory_entries: int,
        ttl_s: float,
        archive: SpeechArchive | None = None,
        epoch_s: Callable[[], float] = time.time,
    ) -> None:
        self._memory_entries = memory_entries if memory_bytes else 0
        self._ttl_s = ttl_s
        self._archive = archive
        self._epoch_s = epoch_s
        self._memory: TLRUCache[str, _Held] = TLRUCache(
            max(1, memory_bytes),
            ttu=lambda _key, held, _now: held.speech.expires_s,
            timer=epoch_s,
            getsizeof=lambda held: len(held.speech.audio),
        )
        self.max_audio_bytes = self._longest(memory_bytes)
        """Bytes of the longest utterance that is kept; 0: the cache is off."""

    async def find(self, key: str) -> StoredSpeech | None:
        """Return an utterance; from memory without giving way to other tasks."""
        held = self._memory.get(key)
        if held is not None:
            self._note_use(key, held)
            return held.speech
        if self._archive is None:
            return None
        speech = await self._archive.find(key)
        if speech is not None:
            self._hold(key, speech)
        return speech

    def keep(self, key: str, audio: bytes, audio_format: AudioFormat) -> None:
        """Keep an utterance from now on, in place of any other of its key; too long ones are not.

        Args:
            key: what it will be looked up by.
            audio: all of it, exactly as the synthesizer delivered it.
            audio_format: what it is.
        """
        if not 0 < len(audio) <= self.max_audio_bytes:
            return
        now_s = self._epoch_s()
        speech = StoredSpeech(audio, audio_format, now_s, now_s + self._ttl_s)
        self._hold(key, speech)
        if self._archive is not None:
            self._archive.save(key, speech)

    def _longest(self, memory_bytes: int) -> int:
        if not self._ttl_s:
            return 0
        if self._memory_entries:
            return min(memory_bytes // MEMORY_SHARE, MAX_AUDIO_BYTES)
        return MAX_AUDIO_BYTES if self._archive is not None else 0

    def _hold(self, key: str, speech: StoredSpeech) -> None:
        if not self._memory_entries or len(speech.audio) > self.max_audio_bytes:
            return
        while len(self._memory) >= self._memory_entries and key not in self._memory:
            with suppress(KeyError):  # the last one grew too old this very moment
                self._memory.popitem()
        self._memory[key] = _Held(speech, self._epoch_s())

    def _note_use(self, key: str, held: _Held) -> None:
        now_s = self._epoch_s()
        if self._archive is not None and now_s - held.touched_s >= TOUCH_EVERY_S:
            held.touched_s = now_s
            self._archive.touch(key)


@asynccontextmanager
async def open_speech_cache(
    settings: Cache, *, epoch_s: Callable[[], float] = time.time
) -> AsyncGenerator[SpeechCache, None]:
    """Remember speech until the block ends, and beyond it when there is a folder.

    Args:
        settings: folder, limits and age.
        epoch_s: the time, seconds since 1970.
    """

    def build(archive: SpeechArchive | None) -> SpeechCache:
        return SpeechCache(
            memory_bytes=settings.memory_bytes,
            memory_entries=settings.memory_entries,
            ttl_s=settings.ttl_seconds,
            archive=archive,
            epoch_s=epoch_s,
        )

    if settings.path is None or not settings.disk_bytes or not settings.ttl_seconds:
        yield build(None)
        return
    async with open_archive(
        SpeechFolder(settings.path / FOLDER),
        max_bytes=settings.disk_bytes,
        ttl_s=settings.ttl_seconds,
        epoch_s=epoch_s,
    ) as archive:
        yield build(archive)

"""What a client sent and nobody has acted on yet, in order.

Audio overtakes nothing: while a `config` waits or is being opened, binary messages queue up
behind it as `AudioBurst`s. They are kept up to a duration; then the oldest are lost.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from sayna.api.messages import Command, Config, Speak
from sayna.audio.formats import sample_bytes
from sayna.session.events import Problem

MAX_EARLY_AUDIO_S = 10.0
"""Seconds of audio kept while a config is being opened: as long as that may take."""

MAX_EARLY_AUDIO_BYTES = 4 * 2**20
MAX_EARLY_FRAMES = 10_000
DEFAULT_BYTES_PER_S = 32_000

FULL_ITEMS, FULL_BYTES = 256, 4 * 2**20
"""From here on the client is not read until half is done."""


@dataclass(slots=True)
class AudioBurst:
    """Binary messages that came one after the other."""

    frames: deque[bytes] = field(default_factory=deque[bytes])


Item = Command | Problem | AudioBurst
"""A command, a complaint about something that is none, or audio."""


class CommandQueue:
    """The commands of one connection. Bounded by its reader, who pauses while it `is_full`."""

    def __init__(self) -> None:
        self._items: deque[tuple[Item, int]] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._configs = 0  # waiting, or taken out and being opened
        self._audio_bytes = 0
        self._frames = 0
        self._max_audio_bytes = round(MAX_EARLY_AUDIO_S * DEFAULT_BYTES_PER_S)
        self._announced = False  # a config has said how fast audio comes

    @property
    def detains_audio(self) -> bool:
        """Whether audio that comes now has to wait its turn."""
        return self._configs > 0 or self._audio_bytes > 0

    @property
    def is_full(self) -> bool:
        """Whether the client should not be read for a while."""
        return len(self._items) >= FULL_ITEMS or self._bytes >= FULL_BYTES

    @property
    def is_half_empty(self) -> bool:
        """Whether the client may be read again."""
        return len(self._items) < FULL_ITEMS // 2 and self._bytes < FULL_BYTES // 2

    def put(self, item: Command | Problem, size: int) -> None:
        """Add a command.

        Args:
            item: what was read.
            size: bytes that it takes up, roughly.
        """
        if isinstance(item, Config):
            self._configs += 1
            # A later config may well be refused: it must not cut short what another one waits for.
            least = self._max_audio_bytes if self._announced else 0
            self._max_audio_bytes = max(least, _early_audio_bytes(item))
            self._announced = True
        self._add(item, size)

    def put_audio(self, audio: bytes) -> None:
        """Add a binary message behind what waits; an empty one says nothing."""
        if not audio:
            return
        if self._items and isinstance(self._items[-1][0], AudioBurst):
            self._items[-1][0].frames.append(audio)
        else:
            self._add(AudioBurst(deque([audio])), 0)
        self._audio_bytes += len(audio)
        self._frames += 1
        while self._audio_bytes > self._max_audio_bytes or self._frames > MAX_EARLY_FRAMES:
            self._drop_oldest_audio()

    async def wait_is_audio(self) -> bool:
        """Wait until there is an item, tell whether the oldest one is audio."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        return isinstance(self._items[0][0], AudioBurst)

    async def get(self) -> Item:
        """Take out the oldest item, waiting for one; `config_done` after each config."""
        await self.wait_is_audio()
        item, size = self._items.popleft()
        self._bytes -= size
        if isinstance(item, AudioBurst):
            self._audio_bytes -= sum(map(len, item.frames))
            self._frames -= len(item.frames)
        return item

    def config_done(self) -> None:
        """A config that was taken out has been opened or refused."""
        self._configs -= 1

    def drop_speaks(self, open_protection: bool | None = None) -> None:
        """Forget every text that waits to be spoken, unless it may not be interrupted.

        Args:
            open_protection: whether the utterance that the first of them goes on with may not be
                interrupted; None: there is none.
        """
        fate = _Fate(open_protection)
        kept: deque[tuple[Item, int]] = deque()
        for item, size in self._items:
            if isinstance(item, Speak) and not fate.is_kept(item):
                self._bytes -= size
            else:
                kept.append((item, size))
        self._items = kept

    def _add(self, item: Item, size: int) -> None:
        self._items.append((item, size))
        self._bytes += size
        self._filled.set()

    def _drop_oldest_audio(self) -> None:
        for item, _ in self._items:
            if isinstance(item, AudioBurst) and item.frames:
                self._audio_bytes -= len(item.frames.popleft())
                self._frames -= 1
                return


class _Fate:
    """What a `clear` means to texts in order: all of an utterance shares what its first one says.

    Args:
        open_protection: of the utterance that is open; None: none is.
    """

    def __init__(self, open_protection: bool | None) -> None:
        self._open_protection = open_protection

    def is_kept(self, speak: Speak) -> bool:
        """Tell what becomes of the next text."""
        protected = self._open_protection
        if protected is None:
            protected = speak.allow_interruption is False
            if not speak.text.strip():
                return protected  # it opens nothing
        self._open_protection = None if speak.flush is not False else protected
        return protected


def _early_audio_bytes(config: Config) -> int:
    """Return how many bytes last `MAX_EARLY_AUDIO_S` in the format that a config announces."""
    stt = config.stt_config
    if stt is None:
        return round(MAX_EARLY_AUDIO_S * DEFAULT_BYTES_PER_S)
    bytes_per_s = stt.sample_rate * max(1, stt.channels) * (sample_bytes(stt.encoding) or 2)
    return min(round(MAX_EARLY_AUDIO_S * bytes_per_s), MAX_EARLY_AUDIO_BYTES)

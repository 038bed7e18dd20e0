"""What stands at the ends of the way that `bench.audio_path` measures: no network, no provider."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from picows import WSMsgType
from typing_extensions import override

from bench.counting import CountingProvider, CountingRecognizer
from bench.exchange import FRAME
from sayna.session.events import SessionEvent
from sayna.speech.events import SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions
from sayna.speech.protocols import Recognizer

HEARD = Transcript("50", confidence=0.5)


class Providers:
    """The one provider there is."""

    def __init__(self, provider: CountingProvider | None = None) -> None:
        self._provider = provider or CountingProvider()

    def knows(self, name: str) -> bool:
        """Know it."""
        return name == CountingProvider.name

    async def get(self, name: str) -> CountingProvider:
        """Return it."""
        del name
        return self._provider


class Socket:
    """The end of the way: takes what is sent, as picows would."""

    def __init__(self) -> None:
        self.underlying_transport = self
        self.told = asyncio.Event()
        """Something was sent."""

    def send(self, kind: WSMsgType, message: bytes) -> None:
        """Take a message."""
        del kind, message
        self.told.set()

    def set_write_buffer_limits(self, high: int) -> None:
        """Have no buffer."""

    def pause_reading(self) -> None:
        """Have nothing to read."""

    def resume_reading(self) -> None:
        """Have nothing to read."""

    def is_closing(self) -> bool:
        """Stay."""
        return False

    def send_close(self, code: int, reason: str = "") -> None:
        """Close nothing."""

    def disconnect(self, *, graceful: bool = True) -> None:
        """End nothing."""


class Frame:
    """A binary message as picows hands it over; its payload is copied out of a buffer."""

    msg_type = WSMsgType.BINARY
    fin = True
    rsv1 = rsv2 = rsv3 = False
    _payload = memoryview(bytearray(FRAME))

    def get_payload_as_bytes(self) -> bytes:
        """Copy the payload."""
        return bytes(self._payload)


class Told:
    """An outlet that forgets."""

    writable = True

    def tell(self, event: SessionEvent) -> None:
        """Take an event."""

    def play(self, frame: bytes) -> None:
        """Play nothing."""

    async def wait_writable(self) -> None:
        """Be ready."""


class Telling(CountingRecognizer):
    """Has heard a number of results already, and tells them when it may."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count
        self.begin = asyncio.Event()
        self.told = asyncio.Event()
        """All of them."""

    @override
    async def events(self) -> AsyncGenerator[SpeechEvent, None]:
        """Yield all of them, then wait for `finish`."""
        await self.begin.wait()
        for _ in range(self._count):
            yield HEARD
        self.told.set()
        async for event in super().events():
            yield event


class TellingProvider(CountingProvider):
    """Has one recognizer, which tells."""

    def __init__(self, count: int) -> None:
        self.recognizer = Telling(count)

    @override
    @asynccontextmanager
    async def open_recognizer(self, options: RecognizerOptions) -> AsyncGenerator[Recognizer, None]:
        """Open the one there is."""
        del options
        yield self.recognizer

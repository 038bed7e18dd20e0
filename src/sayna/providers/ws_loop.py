"""The one loop for vendors that listen over a WebSocket; `ws_speech` is the one for speaking.

A vendor is a `ListenWire` (`wires`): messages in, events out. The loop owns the socket: it dials,
keeps the stream alive while nobody speaks, bounds what waits while the vendor does not read, and
tells the vendor's death at once. It does not dial again: whoever opened it knows what must be
heard once more (`sayna.session.revival`).

    session --send_audio--> encode --> socket ~~~ vendor
    session <---events----- decode <-- socket ~~~ vendor
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import structlog

from sayna.audio.formats import sample_bytes
from sayna.errors import ConnectionFailed, NetworkFailed, ProviderError
from sayna.providers.wires import ListenWire, Message, Note, Reply, Signal, WireEvent
from sayna.providers.ws_client import (
    Alarm,
    CallLater,
    Dial,
    HandshakeRefused,
    VendorSocket,
    dial_vendor,
)
from sayna.speech.events import SpeechEvent
from sayna.speech.options import RecognizerOptions

log = structlog.get_logger(__name__)

WAITING_S = 2.0
"""Seconds of audio kept while the vendor does not read; the oldest goes first."""

UNKNOWN_WAITING_BYTES = 64 * 1024
"""The same for audio whose duration its size does not tell."""

DRAIN_LIMIT_S = 2.0
"""Seconds that the vendor may take for its last words after `finish`."""

LAST_WORDS_LIMIT_S = 1.0
"""The same when nobody listens any more; the vendor needs it to end the stream in order."""

GREETING_LIMIT_S = 10.0
"""Seconds for the first message of a vendor that greets."""

MANY_EVENTS = 256
"""Events that wait for the session; from here on no more is read."""

PING_S = 0.3
STALL_LIMIT_S = 1.0
"""A vendor that got audio and gave no sign for so long is dead: three pings went unanswered. Half
of the 2 s that are kept for its successor must be left for what was said before."""


class StreamRecognizer:
    """A `Recognizer` over a vendor's WebSocket; made by `open_stream_recognizer`.

    Args:
        wire: the vendor's dialect.
        call_later: wakes us to keep the stream alive, and at limits.
    """

    def __init__(self, wire: ListenWire, call_later: CallLater) -> None:
        self._wire = wire
        self._call_later = call_later
        self._socket: VendorSocket | None = None
        self._events: deque[SpeechEvent] = deque()  # reading stops at MANY_EVENTS
        self._news = asyncio.Event()
        self._ready = asyncio.Event()
        self._paused = False
        self._silent = True  # nothing was sent since the last tick
        self._finishing = False
        self._over = False  # the vendor has told everything
        self._ended = False
        self._death: ProviderError | None = None
        self._alarms: list[Alarm] = []

    @property
    def stall_limit_s(self) -> float | None:
        """Pings are answered sooner."""
        return STALL_LIMIT_S

    @property
    def signs_of_life(self) -> int:
        """Counts the vendor's frames, pongs included."""
        return 0 if self._socket is None else self._socket.signs_of_life

    def send_audio(self, audio: bytes) -> None:
        """Send the next bytes; after `finish` or the end they are ignored."""
        if self._finishing or self._ended or self._socket is None or not audio:
            return
        message = self._wire.encode(audio)
        if message is not None:
            self._silent = False
            self._socket.send(message, len(audio))

    def finalize(self) -> None:
        """Ask for a final."""
        if not self._finishing:
            self._send_all(self._wire.finalize())

    def finish(self) -> None:
        """Say that no audio follows; whatever the vendor does, `events` ends soon."""
        if not self._finishing and not self._ended:
            self._finishing = True
            self._send_all(self._wire.finish())
            self._alarms.append(self._call_later(DRAIN_LIMIT_S, self._stop_draining))

    async def events(self) -> AsyncGenerator[SpeechEvent, None]:
        """Iterate over what the vendor hears.

        Raises:
            ProviderError: the stream has died.
        """
        while True:
            while self._events:
                yield self._events.popleft()
            if self._paused and self._socket is not None:
                self._paused = False
                self._socket.resume_reading()
            if self._ended:
                if self._death is not None:
                    raise self._death
                return
            self._news.clear()
            await self._news.wait()

    # What the socket calls

    def take_message(self, message: Message) -> None:
        """Read a message and keep what it says."""
        if self._ended:
            return
        try:
            for event in self._wire.decode(message):
                self._take(event)
        except ProviderError as error:
            self._end(error)
        except Exception:  # a wire may come from anybody's package
            log.exception("wire_failed")
            self._end(NetworkFailed("the vendor's message makes no sense", retryable=True))

    def take_end(self, code: int | None, reason: str) -> None:
        """The connection is over; tell whether that is the death of the stream."""
        death = None if self._over else self._wire.closed(code, reason)
        if death is None and not self._finishing and not self._over:
            death = NetworkFailed("the vendor ended the stream", retryable=True)
        self._end(death)

    # What `open_stream_recognizer` calls

    async def start(self, socket: VendorSocket) -> None:
        """Say hello.

        Raises:
            ProviderError: the vendor refuses.
        """
        self._socket = socket
        self._send_all(self._wire.opening())
        if self._wire.greets:
            await self._ready.wait()
        if self._death is not None and not self._events:
            raise self._death
        self._stop_reading_when_many()  # it may have come along with the handshake
        if (seconds := self._wire.keep_alive_s) is not None:
            self._alarms.append(self._call_later(seconds, self._keep_alive))

    async def stop(self) -> None:
        """Let the vendor end the stream in order when it was told to, then end it."""
        try:
            if self._finishing and not self._ended and self._socket is not None:
                self._paused = False
                self._socket.resume_reading()
                async with asyncio.timeout(LAST_WORDS_LIMIT_S):
                    await self._socket.wait_over()
        except TimeoutError:
            pass
        finally:
            self._end(None)

    def _take(self, event: WireEvent) -> None:
        if isinstance(event, Reply):
            self._send_all((event.message,))
        elif isinstance(event, Note):
            log.info(event.name, **event.details)
        elif event is Signal.READY:
            self._ready.set()
        elif event is Signal.OVER:
            self._over = True
            if self._finishing:
                self._end(None)
        else:
            self._events.append(event)
            self._news.set()
            self._stop_reading_when_many()

    def _stop_reading_when_many(self) -> None:
        if len(self._events) >= MANY_EVENTS and not self._paused and self._socket is not None:
            self._paused = True
            self._socket.pause_reading()

    def _send_all(self, messages: Sequence[Message]) -> None:
        if self._socket is not None and not self._ended:
            for message in messages:
                self._silent = False
                self._socket.send(message)

    def _keep_alive(self) -> None:
        """Look once per interval whether anything was sent: cheaper than a timer per frame."""
        seconds = self._wire.keep_alive_s
        if self._ended or self._finishing or seconds is None or self._socket is None:
            return
        if self._silent and (message := self._wire.keep_alive()) is not None:
            self._socket.send(message)
        self._silent = True
        self._alarms[:] = [self._call_later(seconds, self._keep_alive)]

    def _stop_draining(self) -> None:
        if not self._ended:
            log.warning("vendor_did_not_finish", limit_s=DRAIN_LIMIT_S)
            self._end(None)

    def _end(self, death: ProviderError | None) -> None:
        if self._ended:
            return
        self._ended = True
        self._death = death
        for alarm in self._alarms:
            alarm.cancel()
        self._news.set()
        self._ready.set()
        if self._socket is not None and not self._finishing:
            self._socket.hang_up()


@asynccontextmanager
async def open_stream_recognizer(
    wire: ListenWire,
    options: RecognizerOptions,
    *,
    tls: ssl.SSLContext | None,
    call_later: CallLater | None = None,
) -> AsyncGenerator[StreamRecognizer, None]:
    """Connect to the vendor; the stream ends with the block.

    Args:
        wire: the vendor's dialect.
        options: how much of the audio is a second.
        tls: shared, because making one takes longer than a handshake; None: without.
        call_later: `loop.call_later`, unless a test turns the hands.

    Raises:
        ProviderError: on entering; the vendor refuses or cannot be reached.
    """
    later = asyncio.get_running_loop().call_later if call_later is None else call_later
    recognizer = StreamRecognizer(wire, later)
    dial = Dial(
        wire.url,
        wire.headers,
        ping_s=PING_S,
        ping_when_idle=False,
        max_waiting_bytes=_waiting_bytes(options),
    )
    try:
        socket = await dial_vendor(dial, recognizer, tls=tls, call_later=later)
    except HandshakeRefused as refused:
        raise wire.refusal(refused.status, refused.headers, refused.body) from refused
    try:
        try:
            async with asyncio.timeout(GREETING_LIMIT_S):
                await recognizer.start(socket)
        except TimeoutError:
            raise ConnectionFailed("the vendor does not greet", retryable=True) from None
        yield recognizer
    finally:
        try:
            await recognizer.stop()
        finally:
            await socket.aclose()


def _waiting_bytes(options: RecognizerOptions) -> int:
    width = sample_bytes(options.encoding) or 0
    per_second = width * options.channels * options.sample_rate
    return int(per_second * WAITING_S) or UNKNOWN_WAITING_BYTES

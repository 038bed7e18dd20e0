"""The one loop for vendors that take text and give audio over a WebSocket.

A socket makes one utterance at a time, because its audio carries no name. Sockets are shared by
all sessions of the process that want the same voice from the same account: whoever speaks takes
an idle one or dials, and gives it back when the vendor has said that nothing more will come.

    texts --feed--> say, end --> socket ~~~ vendor
    chunks <--------- decode <-- socket ~~~ vendor
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import structlog

from sayna.errors import AudioRejected, NetworkFailed, ProviderError
from sayna.providers.wires import Mark, Message, Note, SpeechPart, SpeechWire
from sayna.providers.ws_client import (
    CallLater,
    Dial,
    HandshakeRefused,
    VendorSocket,
    dial_vendor,
)

log = structlog.get_logger(__name__)

MAX_AHEAD_BYTES = 512 * 1024
"""Audio that waits for its session; from here on no more is read."""

CANCEL_LIMIT_S = 2.0
"""Seconds that the vendor may take to forget a cancelled utterance; then the socket is closed."""

IDLE_LIMIT_S = 30.0
"""Seconds that a socket is kept for the next utterance: vendors count open ones."""

MAX_IDLE_SOCKETS = 16
"""Kept for later, over all voices and accounts."""


class SpeechSocket:
    """One connection and the utterance it is making, if any."""

    def __init__(self, wire: SpeechWire, now: Callable[[], float]) -> None:
        self._wire = wire
        self._now = now
        self._socket: VendorSocket | None = None
        self._chunks: deque[bytes] = deque()  # reading stops at MAX_AHEAD_BYTES
        self._waiting_bytes = 0
        self._paused = False
        self._news = asyncio.Event()
        self._begun = False
        self._asked = False  # for the end of the utterance
        self._done = True
        self._cancelling = False
        self._death: ProviderError | None = None
        self._ends: deque[float] = deque(maxlen=wire.utterances_per_window[0])

    @property
    def is_usable(self) -> bool:
        """It is open, makes nothing, and the vendor lets it make one more."""
        allowed, window_s = self._wire.utterances_per_window
        spent = len(self._ends) == allowed and self._now() - self._ends[0] < window_s
        return self.is_open and self._done and not self._cancelling and not spent

    @property
    def is_open(self) -> bool:
        """The connection stands."""
        return self._socket is not None and self._socket.is_open and self._death is None

    def start(self, socket: VendorSocket) -> None:
        """Say hello."""
        self._socket = socket
        self._send_all(self._wire.opening())

    def begin(self) -> None:
        """Begin an utterance."""
        self._done = self._begun = self._asked = False

    async def feed(self, texts: AsyncIterator[str]) -> None:
        """Pass on an utterance as it is written, then ask for its end; never raises an error."""
        try:
            async for text in texts:
                if text:
                    self._begun = True
                    self._send_all(self._wire.say(text))
            self._asked = True
            if self._begun:
                self._ends.append(self._now())
                self._send_all(self._wire.end())
            else:
                self._done = True
                self._news.set()
        except ProviderError as error:
            self._fail(error)
        except Exception:
            log.exception("text_stream_failed")
            self._fail(AudioRejected("the text could not be read to its end"))

    async def audio(self) -> AsyncGenerator[bytes, None]:
        """Yield the utterance's audio until its end.

        Raises:
            ProviderError: the vendor failed.
        """
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._waiting_bytes -= len(chunk)
                yield chunk
            if self._paused and self._socket is not None:
                self._paused = False
                self._socket.resume_reading()
            if self._death is not None:
                raise self._death
            if self._done:
                return
            self._news.clear()
            await self._news.wait()

    async def settle(self) -> None:
        """Be idle again: what is unfinished is dropped, with the connection if need be."""
        self._chunks.clear()
        self._waiting_bytes = 0
        if self._socket is not None and self._paused:
            self._paused = False
            self._socket.resume_reading()
        if self._done or not self.is_open:
            return
        if not self._begun:
            self._done = True
            return
        messages = self._wire.cancel()
        if not messages:
            await self.aclose()
            return
        self._cancelling = True
        self._send_all(messages)
        try:
            async with asyncio.timeout(CANCEL_LIMIT_S):
                while self._cancelling and self.is_open:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            await self._socket.aclose()

    # What the socket calls

    def take_message(self, message: Message) -> None:
        """Read a message and keep its audio."""
        try:
            for part in self._wire.decode(message):
                self._take(part)
        except ProviderError as error:
            self._fail(error)
        except Exception:  # a wire may come from anybody's package
            log.exception("wire_failed")
            self._fail(NetworkFailed("the vendor's message makes no sense", retryable=True))

    def take_end(self, code: int | None, reason: str) -> None:
        """The connection is over, and the utterance with it."""
        error = self._wire.closed(code, reason)
        self._fail(error or NetworkFailed("the vendor ended the stream", retryable=True))

    def _take(self, part: SpeechPart) -> None:
        if isinstance(part, Note):
            log.info(part.name, **part.details)
        elif part is Mark.CANCELLED:
            if self._cancelling:
                self._cancelling, self._done = False, True
        elif self._cancelling or self._done:
            return  # it belongs to what was cancelled
        elif part is Mark.ENDED:
            self._done = self._asked
        elif part:
            self._keep(part)
        self._news.set()

    def _keep(self, audio: bytes) -> None:
        self._chunks.append(audio)
        self._waiting_bytes += len(audio)
        if self._waiting_bytes >= MAX_AHEAD_BYTES and not self._paused and self._socket is not None:
            self._paused = True
            self._socket.pause_reading()

    def _send_all(self, messages: Sequence[Message]) -> None:
        if self._socket is not None and self._death is None:
            for message in messages:
                self._socket.send(message)

    def _fail(self, error: ProviderError) -> None:
        if self._death is None:
            self._death = error
            if self._socket is not None:
                self._socket.hang_up()
        self._news.set()


class SpeechSockets:
    """The sockets of one vendor; made by `open_speech_sockets`.

    Args:
        tasks: hold what feeds texts and what settles sockets.
        tls: shared by all connections; None: without.
        call_later: wakes us for idle sockets and pings.
        now: seconds that never go back.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        tls: ssl.SSLContext | None,
        call_later: CallLater,
        now: Callable[[], float],
    ) -> None:
        self._tasks = tasks
        self._tls = tls
        self._call_later = call_later
        self._now = now
        self._idle: dict[str, list[tuple[SpeechSocket, float]]] = {}
        self._busy: set[SpeechSocket] = set()
        self._wake = asyncio.Event()
        self._closing = False

    @property
    def idle_count(self) -> int:
        """Sockets that wait for an utterance."""
        return sum(map(len, self._idle.values()))

    async def speak(
        self, account: str, make_wire: Callable[[], SpeechWire], texts: AsyncIterator[str]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the audio of a text that is still being written.

        Args:
            account: what must be equal for a socket to be used again, such as key and query.
            make_wire: a wire for a new connection.
            texts: the text, piece by piece.

        Raises:
            ProviderError: the vendor failed or refuses.
        """
        socket = await self._take(account, make_wire)
        socket.begin()
        self._busy.add(socket)
        feeding = self._tasks.create_task(socket.feed(texts), name="speech-text")
        chunks = socket.audio()
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            await chunks.aclose()
            feeding.cancel()
            if not (feeding.done() and self._shelve(account, socket)):
                giving_back = self._give_back(account, socket, feeding)
                self._tasks.create_task(giving_back, name="speech-socket")

    async def keep(self) -> None:
        """Close sockets that idle for too long, until cancelled."""
        while True:
            self._wake.clear()
            alarm = self._call_later(IDLE_LIMIT_S / 2, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                alarm.cancel()
            for socket in self._expired():
                await socket.aclose()

    async def aclose(self) -> None:
        """Close all of them; an utterance that is being made fails."""
        self._closing = True
        idle = [socket for pairs in self._idle.values() for socket, _ in pairs]
        self._idle.clear()
        for socket in (*idle, *self._busy):
            await socket.aclose()

    async def _take(self, account: str, make_wire: Callable[[], SpeechWire]) -> SpeechSocket:
        idle = self._idle.get(account, [])
        while idle:
            socket, _ = idle.pop()
            if socket.is_usable:
                return socket
            await socket.aclose()
        self._idle.pop(account, None)
        wire = make_wire()
        fresh = SpeechSocket(wire, self._now)
        try:
            opened = await dial_vendor(
                Dial(wire.url, wire.headers), fresh, tls=self._tls, call_later=self._call_later
            )
        except HandshakeRefused as refused:
            raise wire.refusal(refused.status, refused.headers, refused.body) from refused
        fresh.start(opened)
        return fresh

    async def _give_back(
        self, account: str, socket: SpeechSocket, feeding: asyncio.Task[None]
    ) -> None:
        try:
            await asyncio.wait([feeding])
            await socket.settle()
        finally:
            if not self._shelve(account, socket):
                self._busy.discard(socket)
                await socket.aclose()

    def _shelve(self, account: str, socket: SpeechSocket) -> bool:
        """Keep a socket for the next utterance; False when it is of no use."""
        if not socket.is_usable or self._closing or self.idle_count >= MAX_IDLE_SOCKETS:
            return False
        self._busy.discard(socket)
        self._idle.setdefault(account, []).append((socket, self._now()))
        return True

    def _expired(self) -> list[SpeechSocket]:
        oldest = self._now() - IDLE_LIMIT_S
        expired: list[SpeechSocket] = []
        for account in list(self._idle):
            pairs = self._idle[account]
            expired += [one for one, since in pairs if since <= oldest or not one.is_open]
            self._idle[account] = [
                (one, since) for one, since in pairs if since > oldest and one.is_open
            ]
            if not self._idle[account]:
                del self._idle[account]
        return expired


@asynccontextmanager
async def open_speech_sockets(
    tls: ssl.SSLContext | None,
    call_later: CallLater | None = None,
    now: Callable[[], float] | None = None,
) -> AsyncGenerator[SpeechSockets, None]:
    """Offer sockets for speaking; all of them close with the block.

    Args:
        tls: shared by all connections; None: without.
        call_later: `loop.call_later`, unless a test turns the hands.
        now: the loop's time, likewise.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        sockets = SpeechSockets(tasks, tls, call_later or loop.call_later, now or loop.time)
        keeper = tasks.create_task(sockets.keep(), name="speech-sockets")
        try:
            yield sockets
        finally:
            keeper.cancel()
            await sockets.aclose()

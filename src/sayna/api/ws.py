"""/ws: one reader, one writer, one Session per connection.

The reader never waits: audio goes straight to the session, text into a queue that one task works
off in order. `clear` and the end of the connection overtake what is queued.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from sayna.api.messages import (
    Clear,
    Command,
    Config,
    InvalidMessage,
    LoadingStart,
    LoadingStop,
    SendMessage,
    SipTransfer,
    Speak,
    TurnUpdate,
    UpdateConfig,
    parse_command,
)
from sayna.api.phone_numbers import InvalidPhoneNumber, parse_phone_number
from sayna.api.ws_commands import AudioBurst, CommandQueue, Item
from sayna.api.ws_transport import WebSocketTransport
from sayna.providers.cached import SpeechMemory
from sayna.session.clock import Clock
from sayna.session.events import Problem
from sayna.session.opening import Providers
from sayna.session.session import Session, open_session
from sayna.settings.tree import Settings

log = structlog.get_logger(__name__)

GOING_AWAY = 1001
INTERNAL_ERROR = 1011

LAST_WORDS_LIMIT_S = 2.0
"""Seconds that a recognizer gets to tell what it has heard when the server stops."""

GOODBYE_LIMIT_S = 1.0
"""Seconds that a client gets to answer our Close before the session is taken down."""


class Connection:
    """One client of `/ws`.

    Args:
        transport: the client's WebSocket; nobody else reads or writes it.
        memory: what this client may hear again; None: everything is made anew.
    """

    def __init__(
        self,
        transport: WebSocketTransport,
        *,
        providers: Providers,
        settings: Settings,
        clock: Clock,
        memory: SpeechMemory | None = None,
    ) -> None:
        self._transport = transport
        self._providers = providers
        self._settings = settings
        self._clock = clock
        self._memory = memory
        self._queue = CommandQueue()
        self._session: Session | None = None
        self._hear: Callable[[bytes], None] | None = None  # None: audio waits its turn
        self._stop = asyncio.Event()
        self._gone = asyncio.Event()
        transport.attach(self)

    # What the transport calls

    def take_audio(self, audio: bytes) -> None:
        """Pass audio to the session; the path of every frame."""
        if self._hear is not None:
            self._hear(audio)
        else:
            self._queue.put_audio(audio)

    def take_text(self, text: str) -> None:
        """Queue a command; a `clear` takes effect before it is answered in turn."""
        item: Command | Problem
        try:
            item = parse_command(text)
        except InvalidMessage as error:
            item = Problem(f"Invalid message format: {error}")
        if isinstance(item, Clear):
            self._clear_now()
        self._queue.put(item, len(text))
        if isinstance(item, Config):
            self._hear = None
        if self._queue.is_full:
            self._transport.pause_reading()

    def _clear_now(self) -> None:
        session = self._session
        open_protection = None if session is None else session.open_protection
        if session is None or session.clear_now():
            self._queue.drop_speaks(open_protection)

    def take_end(self) -> None:
        """Take the session down."""
        self._gone.set()
        self._stop.set()

    # What the server calls

    def shutdown(self) -> None:
        """The server stops: finish what is being said, then close with 1001."""
        self._stop.set()

    async def run(self) -> None:
        """Serve the client until it is gone or the server stops; nothing of it outlives this."""
        try:
            async with asyncio.TaskGroup() as tasks:
                obeying = tasks.create_task(self._obey(), name="commands")
                await self._stop.wait()
                if not self._gone.is_set():
                    await self._say_goodbye(tasks)
                obeying.cancel()
        finally:  # a server that cannot wait any longer cancels this
            self._transport.close(GOING_AWAY, "the server is stopping")

    async def _obey(self) -> None:
        """Open the session and act on every command in turn."""
        try:
            async with open_session(
                outlet=self._transport,
                providers=self._providers,
                settings=self._settings,
                clock=self._clock,
                memory=self._memory,
            ) as session:
                self._session = session
                while True:
                    direct = session.hears and not self._queue.detains_audio
                    self._hear = session.hear if direct else None
                    item = await self._next_item()
                    await _act(session, item)
                    if isinstance(item, Config):
                        self._queue.config_done()
                    if self._queue.is_half_empty:
                        self._transport.resume_reading()
        except Exception:
            log.exception("connection_failed")
            self._transport.close(INTERNAL_ERROR)
        finally:
            self._session = None
            self._hear = _ignore
            self._stop.set()

    async def _next_item(self) -> Item:
        """Take out what is next; a command once its answer has room, a `clear` may drop it yet."""
        if not await self._queue.wait_is_audio():
            await self._transport.wait_caught_up()
        return await self._queue.get()

    async def _say_goodbye(self, tasks: asyncio.TaskGroup) -> None:
        """Drain the session, but no longer than the client is there to hear it."""
        draining = tasks.create_task(self._drain(), name="drain")
        gone = tasks.create_task(self._gone.wait(), name="gone")
        await asyncio.wait([draining, gone], return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        gone.cancel()

    async def _drain(self) -> None:
        session = self._session
        if session is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.session.drain_timeout_s):
                    await session.wait_spoken()
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS_LIMIT_S):
                    session.finish_listening()
                    await session.wait_heard()
        self._transport.close(GOING_AWAY, "the server is stopping")
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_LIMIT_S):
                await self._transport.wait_ended()


async def _act(session: Session, item: Item) -> None:
    match item:
        case AudioBurst(frames) if session.hears:
            for frame in frames:
                session.hear(frame)
        case AudioBurst():  # the oldest of it may be lost by now: refused it is all the same
            session.refuse_audio()
        case Config():
            await session.configure(item.to_request())
        case Speak(text=text):
            session.speak(
                text,
                allow_interruption=item.allow_interruption is not False,
                flush=item.flush is not False,
            )
        case Clear():
            session.answer_clear()
        case SendMessage():
            session.send_message()
        case SipTransfer(transfer_to=number):
            session.transfer(_number_problem(number))
        case UpdateConfig(turn_detect=TurnUpdate(threshold=float(threshold))):
            session.set_turn_threshold(threshold)
        case LoadingStart():
            session.start_loading()
        case Problem(text):
            session.complain(text)
        case UpdateConfig() | LoadingStop():
            pass  # nothing to change, and no loading sound plays without a room


def _number_problem(number: str) -> str | None:
    try:
        parse_phone_number(number)
    except InvalidPhoneNumber as error:
        return f"Invalid phone number: {error}"
    return None


def _ignore(audio: bytes) -> None:
    """Take audio for which there is nobody any more."""

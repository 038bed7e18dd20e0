"""A streamed answer as an emulator sends it, with what a rule wants to go wrong on the way."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from sayna.session.clock import Clock
from tests.emulators.clock import sleep
from tests.emulators.connections import Connection
from tests.emulators.emulated_socket import Gone, reset_transport
from tests.emulators.recorder import Record, Recorder
from tests.emulators.rules import DropAfter, ErrorMessage, ExpireToken, Hang, Later, cut_at


class EmulatedBody:
    """One chunked body."""

    def __init__(
        self,
        response: web.StreamResponse,
        transport: asyncio.Transport,
        connection: Connection,
        clock: Clock,
        recorder: Recorder,
        expire: Callable[[str | None], None],
    ) -> None:
        self._response = response
        self._transport = transport
        self.connection = connection
        self._clock = clock
        self._recorder = recorder
        self._expire = expire
        self._ahead = connection.plan.later()

    async def send(self, audio: bytes) -> None:
        """Send a chunk.

        Raises:
            Gone: a rule ended the body here, or the client did.
        """
        await self.strike()
        for part in cut_at(audio, self.connection.sent.bytes, self._ahead):
            sent = self.connection.sent
            sent.messages += 1
            sent.bytes += len(part)
            now_s, number = self._clock.now(), self.connection.number
            self._recorder.add(Record("binary", "emulator", now_s, number, len(part), part))
            try:
                await self._response.write(part)
            except ConnectionError as error:
                raise Gone from error
            await self.strike()

    async def strike(self) -> None:
        """Let happen what is due."""
        sent = self.connection.sent
        for later in tuple(self._ahead):
            if sent.bytes >= later.bytes and sent.messages >= later.messages:
                self._ahead.remove(later)
                await self._happen(later)

    async def _happen(self, later: Later) -> None:
        match later:
            case Hang(ms=ms):
                await sleep(self._clock, float("inf") if ms is None else ms / 1000)
            case DropAfter(mode="half-open"):
                self._transport.pause_reading()
                await sleep(self._clock, float("inf"))
            case DropAfter(mode="reset"):
                reset_transport(self._transport)
                raise Gone
            case DropAfter() | ErrorMessage():
                self._transport.close()
                raise Gone
            case ExpireToken():
                self._expire(self.connection.key)
            case _:
                pass  # a body of audio has no message to mangle

"""An emulator: one vendor's server on a port of its own, with its rules, recorder and control API.

A vendor is a table of routes. A handler gets an `Exchange`, refuses it with `Refused`, answers it,
or opens its socket; the frame records, injects faults and cleans up.
"""

import asyncio
import itertools
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import MultiDict

from sayna.session.clock import Clock, LoopClock
from tests.emulators.answers import Refused, json_response
from tests.emulators.clock import sleep
from tests.emulators.connections import Connection, Stats
from tests.emulators.control import PREFIX, control
from tests.emulators.emulated_body import EmulatedBody
from tests.emulators.emulated_socket import (
    CLOSE_LIMIT_S,
    MAX_MESSAGE_BYTES,
    EmulatedSocket,
    Gone,
    reset_transport,
)
from tests.emulators.hearing import Line, Scripts
from tests.emulators.mangling import mangle
from tests.emulators.recorder import WAIT_LIMIT_S, Record, Recorder
from tests.emulators.rules import Asked, Malformed, Plan, Refuse, Reject, Rules, StallHandshake

HOST = "127.0.0.1"


Handler = Callable[["Exchange"], Awaitable[web.Response | None]]
"""Returns an answer, or None where it streamed or opened a socket."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a vendor speaks, in what the frame needs to know."""

    name: str
    routes: Mapping[tuple[str, str], Handler]
    """By method and path."""
    key_of: Callable[[web.Request], str | None]
    """The credential that a request carries."""
    refusal: Callable[["Exchange", Refused], web.Response]
    """An error as the vendor words it."""
    socket_error: Mapping[str, Any]
    """The vendor's error within a socket, where a rule names none."""


@dataclass(slots=True, eq=False)
class Emulator:
    """One running vendor."""

    dialect: Dialect
    clock: Clock
    rules: Rules = field(default_factory=Rules)
    recorder: Recorder = field(default_factory=Recorder)
    stats: Stats = field(default_factory=Stats)
    port: int = 0
    is_tls: bool = False
    expired_keys: set[str] = field(default_factory=set[str])
    scripts: Scripts = field(default_factory=Scripts)
    sockets: list[EmulatedSocket] = field(default_factory=list[EmulatedSocket])
    """The open ones, oldest first."""
    _opened: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _tasks: set["asyncio.Task[Any]"] = field(default_factory=set["asyncio.Task[Any]"])
    _site: web.TCPSite | None = None
    _runner: web.AppRunner | None = None
    _tls: ssl.SSLContext | None = None

    @property
    def http_url(self) -> str:
        """Without a slash at the end."""
        return f"http{'s' * self.is_tls}://{HOST}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Without a slash at the end."""
        return f"ws{'s' * self.is_tls}://{HOST}:{self.port}"

    def script(self, *lines: Line | str, key: str | None = None, always: bool = False) -> None:
        """Let the next stream hear these lines, whatever its audio; see `Scripts.add`."""
        self.scripts.add(*lines, key=key, always=always)

    async def socket(
        self, path: str | None = None, limit_s: float = WAIT_LIMIT_S
    ) -> EmulatedSocket:
        """Return the newest open socket, of a path; wait for it if there is none yet.

        A test that sends through it speaks as the vendor.

        Raises:
            TimeoutError: none was opened in time.
        """
        async with asyncio.timeout(limit_s):
            while True:
                for socket in reversed(self.sockets):
                    if path in {None, socket.connection.path}:
                        return socket
                self._opened.clear()
                await self._opened.wait()

    def figures(self) -> dict[str, Any]:
        """Return the counts, what is on its way included."""
        shown = self.stats.as_dict
        for socket in self.sockets:
            shown["bytes_sent"] += socket.connection.sent.bytes
            shown["bytes_received"] += socket.connection.received.bytes
        return shown

    def announce(self) -> None:
        """Wake whoever waits for a socket."""
        self._opened.set()

    def reset(self) -> None:
        """Forget rules, records and expired keys; open sockets stay."""
        self.rules.clear()
        self.recorder.clear()
        self.expired_keys.clear()

    @asynccontextmanager
    async def refusing(self) -> AsyncGenerator[None, None]:
        """Within this block nobody can connect: the port is closed. Open connections stay."""
        assert self._site is not None
        await self._site.stop()
        try:
            yield
        finally:
            await self._listen()

    @asynccontextmanager
    async def running(self, port: int, tls: ssl.SSLContext | None) -> AsyncGenerator[None, None]:
        """Listen; at the end nothing is left, whoever is still connected."""
        app = web.Application(client_max_size=MAX_MESSAGE_BYTES)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_LIMIT_S)
        self._tls, self.is_tls, self.port = tls, tls is not None, port
        await self._runner.setup()
        try:
            await self._listen()
            yield
        finally:
            await self._stop()

    async def _listen(self) -> None:
        assert self._runner is not None
        self._site = web.TCPSite(
            self._runner, HOST, self.port, ssl_context=self._tls, reuse_address=True, backlog=1024
        )
        await self._site.start()
        self.port = self._runner.addresses[-1][1]

    async def _stop(self) -> None:
        assert self._runner is not None
        if self._site is not None:
            await self._site.stop()
        for socket in tuple(self.sockets):
            socket.release()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith(PREFIX):
            return await control(
                request,
                rules=self.rules,
                recorder=self.recorder,
                figures=self.figures,
                reset=self.reset,
            )
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            return await self._meet(request)
        finally:
            self._tasks.discard(task)

    async def _meet(self, request: web.Request) -> web.StreamResponse:
        exchange = await self._begin(request)
        response: web.StreamResponse | None
        try:
            await self._shake(exchange)
            response = await self._handler(request)(exchange) or exchange.answer
            assert response is not None
        except Refused as refused:
            response = self.dialect.refusal(exchange, refused)
        except Gone:
            return exchange.answer or web.Response(status=499)  # nobody reads it
        self._note_answer(exchange, response)
        return response

    async def _begin(self, request: web.Request) -> "Exchange":
        """Read and record a request, and choose the rule for it."""
        query = MultiDict(parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True))
        body = await request.read() if request.can_read_body else b""
        key = self.dialect.key_of(request)
        plan = self.rules.take(Asked(request.path, key, query, body.decode(errors="replace")))
        connection = Connection(next(self._numbers), request.path, query, key, plan)
        connection.received.bytes += len(body)
        self.stats.requests += 1
        self.recorder.add(
            Record(
                "request",
                "client",
                self.clock.now(),
                connection.number,
                len(body),
                body.decode(errors="replace"),
                path=request.path,
                target=request.raw_path,
                method=request.method,
                query=tuple(query.items()),
                headers=tuple(request.headers.items()),
            )
        )
        return Exchange(self, request, connection, body)

    async def _shake(self, exchange: "Exchange") -> None:
        """Do what a rule wants before the vendor even looks."""
        plan = exchange.plan
        if (stall := plan.of(StallHandshake)) is not None:
            await sleep(self.clock, float("inf") if stall.ms is None else stall.ms / 1000)
        if plan.of(Refuse) is not None:
            exchange.abort()
            raise Gone
        if (reject := plan.of(Reject)) is not None:
            raise Refused(reject.status, reject.body, reject.headers)

    def _handler(self, request: web.Request) -> Handler:
        routes = self.dialect.routes
        handler = routes.get((request.method, request.path))
        if handler is None:
            known = any(path == request.path for _, path in routes)
            raise Refused(405 if known else 404)
        return handler

    def _note_answer(self, exchange: "Exchange", response: web.StreamResponse) -> None:
        if isinstance(response, web.WebSocketResponse):
            return
        body = response.text if isinstance(response, web.Response) else None
        number = exchange.connection.number
        sent = exchange.connection.sent.bytes
        self.recorder.add(
            Record(
                "answer",
                "emulator",
                self.clock.now(),
                number,
                len(body) if body is not None else sent,
                body,
                status=response.status,
                headers=tuple(response.headers.items()),
            )
        )


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and what becomes of it."""

    emulator: Emulator
    request: web.Request
    connection: Connection
    body: bytes
    answer: web.StreamResponse | None = None
    """What was streamed, or the socket that was opened."""

    @property
    def plan(self) -> Plan:
        """What the rules want."""
        return self.connection.plan

    @property
    def transport(self) -> asyncio.Transport:
        """The connection below."""
        transport = self.request.transport
        if transport is None:
            raise Gone
        return transport

    @asynccontextmanager
    async def socket(
        self, *, headers: Mapping[str, str], protocols: Sequence[str] = ()
    ) -> AsyncGenerator[EmulatedSocket, None]:
        """Upgrade; the block is the conversation.

        Raises:
            Gone: on entering; a rule ended it at once.
        """
        emulator = self.emulator
        response = web.WebSocketResponse(
            timeout=CLOSE_LIMIT_S,
            protocols=protocols,
            autoping=False,  # a vendor that hangs answers no ping either
            compress=False,
            max_msg_size=MAX_MESSAGE_BYTES,
        )
        response.headers.update(headers)
        if not response.can_prepare(self.request).ok:
            raise Refused(400)
        await response.prepare(self.request)
        self.answer = response
        socket = EmulatedSocket(
            response,
            self.transport,
            self.connection,
            emulator.clock,
            emulator.recorder,
            expire=self._expire,
            error=emulator.dialect.socket_error,
        )
        emulator.sockets.append(socket)
        emulator.announce()
        emulator.stats.opened()
        try:
            await socket.strike_at_open()
            with suppress(Gone):
                yield socket
        finally:
            emulator.sockets.remove(socket)
            emulator.stats.closed(self.connection)
            await socket.finish()

    @asynccontextmanager
    async def streaming(self, headers: Mapping[str, str]) -> AsyncGenerator[EmulatedBody, None]:
        """Answer 200 with a chunked body; the block sends it. `answer` is it afterwards."""
        response = web.StreamResponse(headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(self.request)
        self.answer = response
        emulator = self.emulator
        try:
            yield EmulatedBody(
                response,
                self.transport,
                self.connection,
                emulator.clock,
                emulator.recorder,
                self._expire,
            )
            await response.write_eof()
        except Gone:
            pass
        finally:
            emulator.stats.bytes_sent += self.connection.sent.bytes

    def json(self, body: object, headers: Mapping[str, str]) -> web.Response:
        """Return a JSON answer, broken if a rule wants it so."""
        malformed = self.plan.of(Malformed)
        response = json_response(body, headers=headers)
        if malformed is not None:
            response.body = mangle(malformed.kind, response.text or "")[0]
        return response

    def abort(self) -> None:
        """Reset the connection."""
        reset_transport(self.transport)

    def _expire(self, key: str | None) -> None:
        if key is not None:
            self.emulator.expired_keys.add(key)


@asynccontextmanager
async def open_emulator(
    dialect: Dialect,
    *,
    clock: Clock | None = None,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    keep_audio: bool = True,
) -> AsyncGenerator[Emulator, None]:
    """Serve a vendor on 127.0.0.1; port 0 is a free one."""
    emulator = Emulator(dialect, clock or LoopClock(), recorder=Recorder(keep_audio=keep_audio))
    async with emulator.running(port, tls):
        yield emulator

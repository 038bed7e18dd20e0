"""Clients that do not read, over real sockets: what they cost is bounded, and only they pay."""

import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect

from sayna.api.sockets import MAX_UNSENT_BYTES, UpgradeProtocol
from sayna.api.ws_transport import FAR_BEHIND, MAX_BEHIND, WebSocketTransport
from sayna.session.making import MAX_AHEAD_BYTES
from sayna.settings.tree import Settings
from sayna.speech.events import Transcript
from tests.api.raw_socket import BINARY, TEXT, RawSocket, open_raw, render_frame
from tests.api.served import CONFIG_TEXT, Served, serve
from tests.fakes.scripted import CHUNK_BYTES, speech_of
from tests.fakes.session import HandClock, until

pytestmark = pytest.mark.slow
SPEAK = b'{"type":"speak","text":"much"}'
COMMAND = b'{"type":"loading_start"}'
FRAME = render_frame(BINARY, b"\7" * 640)


def impatient(seconds: float) -> Settings:
    return Settings.model_validate({"session": {"unread_timeout_s": seconds}})


def transport_of(served: Served) -> WebSocketTransport:
    """Return the server's end of its only socket."""
    [upgrade] = cast("set[UpgradeProtocol]", served.app.state.drain.sockets)
    assert upgrade._connection is not None
    return upgrade._connection._transport


def taking(transport: WebSocketTransport) -> Callable[[], bool]:
    """Return what tells whether the client has taken a byte since now."""
    before = transport._count_taken()
    return lambda: transport._count_taken() > before


@asynccontextmanager
async def deaf(served: Served) -> AsyncGenerator[tuple[RawSocket, WebSocketTransport], None]:
    """A client that has asked for half an hour of speech and reads none of it."""
    served.provider.speech = lambda text: bytes(64 * 2**20) if text == "much" else speech_of(text)
    async with open_raw(served.port) as raw:
        await raw.send(render_frame(TEXT, CONFIG_TEXT.encode()))
        assert b"ready" in (await raw.receive()).payload
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's has it
        transport = transport_of(served)
        await raw.send(render_frame(TEXT, SPEAK))
        await until(lambda: not transport.writable)
        yield raw, transport


async def test_what_is_held_for_a_client_that_never_reads_is_bounded_and_then_given_back() -> None:
    async with serve() as served:
        async with deaf(served) as (raw, transport):
            recognizer = served.provider.recognizers[0]
            for number in range(2 * MAX_BEHIND):
                recognizer.emit(Transcript(f"interim {number}"))
                if recognizer._events.full():
                    await until(recognizer._events.empty)
            await raw.send(*[render_frame(TEXT, COMMAND)] * 2000)
            connection = transport._inlet
            await until(lambda: not transport._reading)  # its commands wait, so it does too
            assert FAR_BEHIND <= len(transport._backlog) <= MAX_BEHIND
            assert connection is not None
            assert transport._socket is not None
            held = transport._socket.underlying_transport
            assert 0 < held.get_write_buffer_size() <= CHUNK_BYTES + 4
            kernel: socket.socket = held.get_extra_info("socket")
            assert kernel.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == (
                MAX_UNSENT_BYTES
            )
            session = connection._session  # type: ignore[attr-defined]  # it is a Connection
            making = session._media.speaking._making
            await until(lambda: making._waiting_bytes >= MAX_AHEAD_BYTES)
            assert making._waiting_bytes <= MAX_AHEAD_BYTES + CHUNK_BYTES
        await served.wait_alone()
        assert served.leftovers == []


async def test_a_client_that_never_reads_is_heard_to_the_last_and_others_notice_nothing() -> None:
    with capture_logs() as lines:
        async with serve(impatient(1.0)) as served, deaf(served) as (raw, transport):
            await _outlive(served, raw, transport)
    [line] = [line for line in lines if line["event"] == "client_unread"]
    assert line == {"event": "client_unread", "log_level": "info", "timeout_s": 1.0}


async def _outlive(served: Served, raw: RawSocket, transport: WebSocketTransport) -> None:
    recognizer = served.provider.recognizers[0]
    sent = 0
    async with connect(served.url) as other:
        await other.send(CONFIG_TEXT)
        assert b"ready" in (await other.recv(decode=False))
        while not transport._ended.is_set():
            sent += 1
            raw.writer.write(FRAME)
            await other.send('{"type":"speak","text":"me too"}')
            audio = b""
            while (message := await other.recv(decode=False))[:1] != b"{":
                audio += message
            assert audio == speech_of("me too")
            assert b"tts_playback_complete" in message
    await until(lambda: recognizer.closed)
    heard = len(recognizer.audio) // 640
    assert recognizer.audio == b"\7" * 640 * heard
    assert sent - heard <= 2  # the last may have met a closed door
    await served.wait_alone()
    assert served.leftovers == []


async def test_a_client_that_reads_a_little_now_and_then_lives_until_it_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = HandClock()
    monkeypatch.setattr("sayna.api.sockets.LoopClock", lambda: clock)
    async with serve() as served:
        async with deaf(served) as (raw, transport):
            for _ in range(20):
                clock.advance(19.0)
                has_taken = taking(transport)
                raw.writer.transport.resume_reading()  # type: ignore[attr-defined]
                await until(has_taken)
                raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
                await until(lambda: not transport.writable)
            assert not transport._ended.is_set()
            clock.advance(60.0)  # no sign of life either: less would do
            await transport.wait_ended()
        await served.wait_alone()
        assert served.leftovers == []

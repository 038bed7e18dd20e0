"""The transport with a clock whose hands are turned; real sockets are in `test_sockets.py`."""

import asyncio
import json
import struct
from typing import cast

import pytest
from picows import WSCloseCode, WSFrame, WSMsgType, WSProtocolError, WSTransport
from picows.picows import _make_test_ws_frame

from sayna.api.ws_transport import CLOSING_LIMIT_S, FAR_BEHIND, MAX_BEHIND, WebSocketTransport
from sayna.session.events import Problem
from sayna.settings.tree import SessionLimits
from sayna.speech.events import Transcript
from tests.fakes.session import HandClock, settle


class FakeSocket:
    """What picows gives a listener to write to; remembers what was written."""

    def __init__(self) -> None:
        self.sent: list[tuple[WSMsgType, bytes]] = []
        self.pings = 0
        self.pongs: list[bytes] = []
        self.closes: list[int] = []
        self.disconnects: list[bool] = []
        self.high_water: int | None = None
        self.reading = True
        self.taken = 0
        self.underlying_transport = self

    def get_extra_info(self, name: str) -> "FakeSocket":
        assert name == "socket"
        return self

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        return struct.pack("=120xQ64x", self.taken)

    def send(self, kind: WSMsgType, message: bytes) -> None:
        self.sent.append((kind, message))

    def send_ping(self) -> None:
        self.pings += 1

    def send_pong(self, payload: bytes) -> None:
        self.pongs.append(payload)

    def send_close(self, code: int, reason: str = "") -> None:
        self.closes.append(int(code))

    def disconnect(self, graceful: bool = True) -> None:
        self.disconnects.append(graceful)

    def set_write_buffer_limits(self, high: int) -> None:
        self.high_water = high

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return False


class Listener:
    """Takes messages and remembers them."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.audio: list[bytes] = []
        self.ends = 0

    def take_text(self, text: str) -> None:
        self.texts.append(text)

    def take_audio(self, audio: bytes) -> None:
        self.audio.append(audio)

    def take_end(self) -> None:
        self.ends += 1


class Wire:
    """A transport between a fake socket and a listener."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.socket = FakeSocket()
        self.listener = Listener()
        self.transport = WebSocketTransport(SessionLimits(), self.clock)
        self.transport.attach(self.listener)
        self.transport.on_ws_connected(cast("WSTransport", self.socket))

    def frame(self, kind: WSMsgType, payload: bytes = b"") -> None:
        frame: WSFrame = _make_test_ws_frame(kind, payload, True, False)
        self.transport.on_ws_frame(cast("WSTransport", self.socket), frame)

    def speak_for(self, seconds: int) -> None:
        """Let time pass while the client goes on sending."""
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.frame(WSMsgType.BINARY, b"\0\0")

    @property
    def messages(self) -> list[str]:
        return [json.loads(text)["message"] for kind, text in self.socket.sent]


async def test_nothing_is_left_in_a_buffer_that_cannot_be_cleared() -> None:
    assert Wire().socket.high_water == 0


async def test_a_binary_message_is_copied_and_passed_on() -> None:
    wire = Wire()
    wire.frame(WSMsgType.BINARY, b"\1\2")
    wire.frame(WSMsgType.TEXT, b"hi")
    assert wire.listener.audio == [b"\1\2"]
    assert wire.listener.texts == ["hi"]


async def test_a_healthy_silent_connection_lives_for_ever() -> None:
    wire = Wire()
    for _ in range(1000):
        wire.clock.advance(20.0)
        wire.frame(WSMsgType.PONG)
    assert wire.socket.pings == 1000
    assert wire.socket.closes == []


async def test_whoever_does_not_answer_a_ping_for_twenty_seconds_is_gone() -> None:
    wire = Wire()
    wire.clock.advance(39.9)
    assert wire.socket.pings == 1
    assert wire.socket.closes == []
    wire.clock.advance(0.2)
    assert wire.socket.closes == [WSCloseCode.INTERNAL_ERROR.value]
    assert wire.listener.ends == 1
    wire.clock.advance(0.2)
    assert wire.socket.disconnects == [False]


async def test_anything_a_client_says_is_a_sign_of_life() -> None:
    wire = Wire()
    wire.clock.advance(30.0)
    wire.frame(WSMsgType.BINARY, b"\0\0")
    wire.clock.advance(10.1)
    assert wire.socket.closes == []


async def test_pings_faster_than_their_timeout_do_not_put_it_off() -> None:
    wire = Wire()
    wire.transport._limits = SessionLimits(ping_interval_s=5.0, ping_timeout_s=20.0)
    wire.clock.advance(40.1)
    assert wire.socket.closes == [WSCloseCode.INTERNAL_ERROR.value]


async def test_a_client_that_is_not_being_read_is_not_given_up() -> None:
    wire = Wire()
    wire.transport.pause_reading()
    assert not wire.socket.reading
    wire.clock.advance(100.0)
    assert wire.socket.closes == []
    wire.transport.resume_reading()
    assert wire.socket.reading


async def test_events_for_a_client_that_does_not_read_are_kept_in_order_and_bounded() -> None:
    wire = Wire()
    wire.transport.pause_writing()
    assert not wire.transport.writable
    wire.transport.tell(Transcript("interim"))
    for number in range(MAX_BEHIND):
        wire.transport.tell(Problem(str(number)))
    assert wire.socket.sent == []
    wire.transport.resume_writing()
    assert wire.messages == [str(number) for number in range(MAX_BEHIND)]
    assert wire.transport.writable


async def test_a_client_that_stops_reading_again_keeps_the_rest_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire = Wire()
    wire.transport.pause_writing()
    for text in "ab":
        wire.transport.tell(Problem(text))
    send = wire.socket.send

    def send_and_stop(kind: WSMsgType, message: bytes) -> None:
        send(kind, message)
        wire.transport.pause_writing()

    monkeypatch.setattr(wire.socket, "send", send_and_stop)
    wire.transport.resume_writing()
    assert wire.messages == ["a"]
    wire.transport.resume_writing()
    assert wire.messages == ["a", "b"]


async def test_after_our_close_nothing_is_sent_and_a_silent_client_is_cut_off() -> None:
    wire = Wire()
    wire.transport.close(1001)
    wire.transport.close(1000)
    wire.transport.tell(Problem("late"))
    wire.transport.play(b"late")
    assert wire.socket.closes == [1001]
    assert wire.socket.sent == []
    assert wire.transport.writable
    wire.clock.advance(CLOSING_LIMIT_S)
    assert wire.socket.disconnects == [False]


async def test_the_clients_answer_to_our_close_ends_the_connection() -> None:
    wire = Wire()
    wire.transport.close(1001)
    wire.frame(WSMsgType.BINARY, b"late")
    assert wire.listener.audio == []
    wire.frame(WSMsgType.CLOSE, b"\x03\xe9")
    assert wire.socket.disconnects == [True]


async def test_the_end_is_told_once() -> None:
    wire = Wire()
    wire.frame(WSMsgType.CLOSE)
    wire.transport.on_ws_disconnected(cast("WSTransport", wire.socket))
    await wire.transport.wait_ended()
    assert wire.socket.closes == [1000]
    assert wire.listener.ends == 1
    wire.clock.advance(1000.0)
    assert wire.socket.pings == 0


async def test_of_many_pings_by_a_client_that_does_not_read_the_last_is_answered() -> None:
    wire = Wire()
    wire.frame(WSMsgType.PING, b"1")
    wire.transport.pause_writing()
    for number in range(1000):
        wire.frame(WSMsgType.PING, b"%d" % number)
    assert wire.socket.pongs == [b"1"]
    wire.transport.resume_writing()
    assert wire.socket.pongs == [b"1", b"999"]


async def test_commands_wait_for_a_client_that_is_far_behind_until_it_reads_or_is_gone() -> None:
    wire = Wire()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        await wire.transport.wait_caught_up()
        wire.transport.pause_writing()
        for number in range(FAR_BEHIND):
            wire.transport.tell(Problem(str(number)))
        waiting = tasks.create_task(wire.transport.wait_caught_up())
        await settle()
        assert not waiting.done()
        wire.transport.resume_writing()
        await waiting
        wire.transport.pause_writing()
        for number in range(FAR_BEHIND):
            wire.transport.tell(Problem(str(number)))
        waiting = tasks.create_task(wire.transport.wait_caught_up())
        await settle()
        wire.transport.on_ws_disconnected(cast("WSTransport", wire.socket))
        await waiting


async def test_a_client_that_died_while_it_was_not_being_read_is_given_up_afterwards() -> None:
    wire = Wire()
    wire.transport.pause_reading()
    wire.clock.advance(100.0)
    wire.transport.resume_reading()
    wire.clock.advance(40.1)
    assert wire.socket.closes == [WSCloseCode.INTERNAL_ERROR.value]


async def test_a_client_that_never_reads_is_given_up_even_when_it_is_not_being_read() -> None:
    wire = Wire()
    wire.transport.pause_writing()
    wire.transport.pause_reading()
    wire.clock.advance(40.1)
    assert wire.listener.ends == 1
    wire.clock.advance(0.2)
    assert wire.socket.disconnects == [False]


async def test_a_client_that_reads_slowly_is_alive() -> None:
    wire = Wire()
    for _ in range(20):
        wire.transport.pause_writing()
        wire.clock.advance(10.0)
        wire.transport.resume_writing()
    assert wire.socket.closes == []


@pytest.mark.parametrize(
    ("code", "answered"), [(1000, 1000), (1001, 1001), (3000, 3000), (4999, 4999)]
)
async def test_a_close_is_answered_with_its_own_code(code: int, answered: int) -> None:
    wire = Wire()
    wire.frame(WSMsgType.CLOSE, code.to_bytes(2, "big"))
    assert wire.socket.closes == [answered]


@pytest.mark.parametrize("code", [0, 1006, 5000, 65_535])
async def test_a_close_with_a_code_that_cannot_be_is_a_violation(code: int) -> None:
    wire = Wire()
    with pytest.raises(WSProtocolError):
        wire.frame(WSMsgType.CLOSE, code.to_bytes(2, "big"))
    assert wire.listener.ends == 1


async def test_a_client_that_sends_but_takes_nothing_for_a_minute_is_cut_off() -> None:
    wire = Wire()
    wire.transport.pause_writing()
    wire.speak_for(59)
    assert wire.listener.ends == 0
    assert len(wire.listener.audio) == 59
    wire.speak_for(2)
    assert wire.listener.ends == 1
    assert wire.socket.closes == []  # it would not read that either
    assert wire.socket.disconnects == [False]
    assert wire.transport.writable


async def test_a_client_that_takes_a_byte_a_minute_lives_even_if_it_says_nothing_else() -> None:
    wire = Wire()
    wire.transport.pause_writing()
    for _ in range(60):
        wire.speak_for(55)
        wire.socket.taken += 1
    assert wire.listener.ends == 0
    for _ in range(60):
        wire.socket.taken += 1
        wire.clock.advance(19.0)
    assert wire.listener.ends == 0
    wire.clock.advance(60.0)
    assert wire.listener.ends == 1


async def test_pings_do_not_pile_up_for_a_client_that_does_not_read() -> None:
    wire = Wire()
    wire.speak_for(25)
    assert wire.socket.pings == 1
    wire.transport.pause_writing()
    wire.speak_for(55)
    assert wire.socket.pings == 1
    wire.transport.resume_writing()
    wire.speak_for(20)
    assert wire.socket.pings == 2


async def test_a_client_that_is_being_closed_has_the_shorter_limit_only() -> None:
    wire = Wire()
    wire.transport.pause_writing()
    wire.speak_for(59)
    wire.transport.close(1001)
    wire.clock.advance(2.0)
    assert wire.socket.disconnects == []
    wire.clock.advance(3.0)
    assert wire.socket.disconnects == [False]


async def test_nothing_rings_for_a_connection_that_is_gone() -> None:
    wire = Wire()
    wire.transport.pause_writing()
    wire.transport.on_ws_disconnected(cast("WSTransport", wire.socket))
    wire.clock.advance(1000.0)
    assert wire.listener.ends == 1
    assert wire.socket.disconnects == []


async def test_speech_waits_on_when_events_that_waited_have_filled_the_socket_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire = Wire()
    wire.transport.pause_writing()
    wire.transport.tell(Problem("a"))
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(wire.transport.wait_writable())
        await settle()
        with monkeypatch.context() as patched:
            patched.setattr(wire.socket, "send", lambda *_: wire.transport.pause_writing())
            wire.transport.resume_writing()
        await settle()
        assert not waiting.done()
        wire.transport.resume_writing()
        await waiting

"""When a client counts as not reading; real sockets in `test_ws.py`."""

import asyncio
import socket
from typing import Any, cast

import pytest

from sayna.api.unread import UnreadLimit, acknowledged_bytes
from tests.fakes.session import HandClock, until

LIMIT_S = 60.0


class Watched:
    """A client whose kernel takes what the test says."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.taken = 1000
        self.expired = 0
        self.limit = UnreadLimit(self.clock, LIMIT_S, lambda: self.taken, self._expire)

    def _expire(self) -> None:
        self.expired += 1

    @property
    def alarms(self) -> int:
        return sum(alarm.callback is not None for alarm in self.clock._alarms)


def test_a_client_that_takes_nothing_is_given_up_once_at_the_limit() -> None:
    watched = Watched()
    watched.limit.start()
    watched.clock.advance(LIMIT_S - 0.1)
    assert watched.expired == 0
    watched.clock.advance(0.2)
    assert watched.expired == 1
    watched.clock.advance(10 * LIMIT_S)
    assert watched.expired == 1
    assert watched.alarms == 0


def test_a_client_that_takes_a_byte_now_and_then_lives() -> None:
    watched = Watched()
    watched.limit.start()
    for _ in range(20):
        watched.clock.advance(LIMIT_S - 1)
        watched.taken += 1
    assert watched.expired == 0


def test_a_client_that_stops_taking_is_given_up_a_quarter_late_at_most() -> None:
    watched = Watched()
    watched.limit.start()
    watched.clock.advance(1.0)
    watched.taken += 1
    watched.clock.advance(LIMIT_S)
    assert watched.expired == 0
    watched.clock.advance(LIMIT_S / 4)
    assert watched.expired == 1


def test_a_client_for_which_nothing_waits_may_be_silent_for_ever() -> None:
    watched = Watched()
    watched.limit.start()
    watched.limit.stop()
    watched.clock.advance(100 * LIMIT_S)
    assert watched.expired == 0
    assert watched.limit.idle_s() == 0
    assert watched.alarms == 0


def test_each_wait_counts_for_itself() -> None:
    watched = Watched()
    for _ in range(10):
        watched.limit.start()
        watched.clock.advance(LIMIT_S - 1)
        watched.limit.stop()
    assert watched.expired == 0


def test_a_thousand_short_waits_share_one_alarm() -> None:
    watched = Watched()
    for _ in range(1000):
        watched.limit.start()
        watched.limit.stop()
    assert watched.alarms == 1


def test_the_seconds_without_a_byte_are_told() -> None:
    watched = Watched()
    watched.limit.start()
    watched.clock.advance(7.0)
    assert watched.limit.idle_s() == 7.0
    watched.taken += 1
    assert watched.limit.idle_s() == 0.0


def test_nothing_is_left_ticking_when_the_connection_is_over() -> None:
    watched = Watched()
    watched.limit.start()
    watched.limit.close()
    watched.clock.advance(2 * LIMIT_S)
    assert watched.expired == 0
    assert watched.alarms == 0


class Carrier:
    """A transport that only knows its socket."""

    def __init__(self, carried: object) -> None:
        self._carried = carried

    def get_extra_info(self, name: str) -> Any:  # noqa: ANN401 - as asyncio has it
        assert name == "socket"
        return self._carried


def count(carried: object) -> int:
    return acknowledged_bytes(cast("asyncio.BaseTransport", Carrier(carried)))


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="this system does not count")
async def test_the_kernel_counts_what_the_other_side_has_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as ours:
            theirs, _ = listener.accept()
            with theirs:
                before = count(ours)
                ours.sendall(bytes(1000))
                await until(lambda: count(ours) == before + 1000)
        assert count(ours) == 0  # closed


def test_where_nobody_counts_nothing_was_taken() -> None:
    assert count(None) == 0
    here, there = socket.socketpair()
    with here, there:
        here.sendall(b"not TCP")
        assert count(here) == 0

"""When a client that keeps talking but never reads is given up.

Its kernel acknowledges what it has room for. A client that reads frees room there, so the count of
acknowledged bytes moves on; while ours wait and it stands still, nobody reads.
"""

import asyncio
import socket
import struct
from collections.abc import Callable

from sayna.session.clock import Alarm, Clock

LOOKS = 4
"""How often a client is looked at within the limit; so it is given up a quarter late at most."""

_TCP_INFO_BYTES, _ACKNOWLEDGED_AT = 192, 120  # struct tcp_info, Linux 4.1 and newer


def acknowledged_bytes(transport: asyncio.BaseTransport) -> int:
    """Return how many bytes the other side has taken, ever; 0 where nobody counts them."""
    connection: socket.socket | None = transport.get_extra_info("socket")
    option: int | None = getattr(socket, "TCP_INFO", None)
    if connection is None or option is None:
        return 0
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, option, _TCP_INFO_BYTES)
    except OSError:  # it is closed, or no TCP
        return 0
    if len(info) < _ACKNOWLEDGED_AT + 8:
        return 0
    acknowledged: int = struct.unpack_from("=Q", info, _ACKNOWLEDGED_AT)[0]
    return acknowledged


class UnreadLimit:
    """Watches one client while something waits for it.

    One alarm at a time, which outlives short waits: a client that is just behind costs nothing.

    Args:
        limit_s: seconds without a byte taken.
        count_taken: tells how many bytes the client has taken, ever.
        expire: called once when the limit is over.
    """

    def __init__(
        self,
        clock: Clock,
        limit_s: float,
        count_taken: Callable[[], int],
        expire: Callable[[], object],
    ) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._count_taken = count_taken
        self._expire = expire
        self._since: float | None = None  # nothing was taken; None: nothing waits
        self._taken = 0
        self._alarm: Alarm | None = None

    def start(self) -> None:
        """Something waits for the client from now on."""
        self._since = self._clock.now()
        self._taken = self._count_taken()
        if self._alarm is None:
            self._look_again()

    def stop(self) -> None:
        """Nothing waits any more."""
        self._since = None

    def idle_s(self) -> float:
        """Return for how many seconds the client has taken nothing, 0 while nothing waits."""
        if self._since is None:
            return 0.0
        taken, now = self._count_taken(), self._clock.now()
        if taken != self._taken:
            self._taken, self._since = taken, now
        return now - self._since

    def close(self) -> None:
        """The connection is over."""
        self.stop()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _look(self) -> None:
        self._alarm = None
        if self._since is None:
            return
        if self.idle_s() < self._limit_s:
            self._look_again()
            return
        self.stop()
        self._expire()

    def _look_again(self) -> None:
        when = self._clock.now() + self._limit_s / LOOKS
        self._alarm = self._clock.call_at(when, self._look)

"""What an emulator knows of one connection, and the count of all of them."""

from dataclasses import dataclass, field
from typing import Any

from multidict import MultiMapping

from tests.emulators.rules import Plan


@dataclass(slots=True)
class Traffic:
    """Frames and bytes in one direction; control frames of the protocol do not count."""

    messages: int = 0
    bytes: int = 0


@dataclass(slots=True, eq=False)
class Connection:
    """One request, and the socket that may come of it."""

    number: int
    path: str
    query: MultiMapping[str]
    key: str | None
    plan: Plan
    sent: Traffic = field(default_factory=Traffic)
    received: Traffic = field(default_factory=Traffic)


@dataclass(slots=True)
class Stats:
    """What `GET /_ctl/stats` tells."""

    requests: int = 0
    sockets_open: int = 0
    sockets_peak: int = 0
    sockets_total: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    contexts: int = 0
    """Utterances or contexts that the vendor is working on, over all sockets."""

    def opened(self) -> None:
        """Count a socket."""
        self.sockets_total += 1
        self.sockets_open += 1
        self.sockets_peak = max(self.sockets_peak, self.sockets_open)

    def closed(self, connection: Connection) -> None:
        """Count it out."""
        self.sockets_open -= 1
        self.bytes_sent += connection.sent.bytes
        self.bytes_received += connection.received.bytes

    @property
    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

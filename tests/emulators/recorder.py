"""What went over an emulator's sockets, in order: requests, headers, frames, answers, closings.

A test selects from it and asserts on counts, order, gaps and the last one.
"""

import asyncio
import itertools
import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, TypedDict, Unpack, overload

from typing_extensions import override

from tests.emulators.json_objects import parse_object

Kind = Literal["request", "answer", "text", "binary", "close", "eof"]
Sender = Literal["client", "emulator"]

MAX_RECORDS = 100_000
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
"""Beyond this, the payloads of frames are not kept; their sizes are."""
WAIT_LIMIT_S = 10.0


@dataclass(slots=True)
class Record:
    """One thing that was sent, by either side."""

    kind: Kind
    sender: Sender
    at_s: float
    """By the emulator's clock."""
    connection: int
    size: int = 0
    payload: bytes | str | None = None
    """Of a frame or a body; None when it is not kept."""
    path: str = ""
    target: str = ""
    """Of a request: path and query exactly as they were sent."""
    method: str = ""
    query: Sequence[tuple[str, str]] = ()
    headers: Sequence[tuple[str, str]] = ()
    status: int = 0
    """Of an answer; of a closing, its code."""

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever was sent
        """The payload, decoded; None when it is no JSON."""
        try:
            return json.loads(self.payload or "")
        except ValueError:
            return None

    @property
    def type(self) -> str:
        """`type` of a JSON frame, otherwise the kind."""
        is_message = self.kind == "text" and isinstance(self.payload, str)
        found = parse_object(self.payload or "") if is_message else None
        name = (found or {}).get("type")
        return name if isinstance(name, str) else self.kind

    def header(self, name: str) -> str | None:
        """Return a header of a request or an answer."""
        wanted = name.lower()
        return next((value for each, value in self.headers if each.lower() == wanted), None)

    @property
    def as_dict(self) -> dict[str, Any]:
        """What `GET /_ctl/log` shows; audio as its size only."""
        shown: dict[str, Any] = {
            "kind": self.kind,
            "sender": self.sender,
            "at_s": round(self.at_s, 6),
            "connection": self.connection,
            "size": self.size,
        }
        if isinstance(self.payload, str):
            shown["text"] = self.payload
            shown["json"] = self.json
        for name in ("path", "method", "status"):
            if value := getattr(self, name):
                shown[name] = value
        if self.kind == "request":
            shown |= {"query": list(self.query), "headers": list(self.headers)}
        return shown


class Wanted(TypedDict, total=False):
    """What `select` goes by."""

    kind: Kind
    sender: Sender
    connection: int
    path: str
    type: str


class Records(Sequence[Record]):
    """Some records, in order."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> "Records": ...
    @override
    def __getitem__(self, index: int | slice) -> "Record | Records":
        found = self._records[index]
        return found if isinstance(found, Record) else Records(found)

    @override
    def __len__(self) -> int:
        return len(self._records)

    @override
    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    @property
    def last(self) -> Record:
        """The newest."""
        return self._records[-1]

    @property
    def types(self) -> list[str]:
        """What each is, in order: `type` of a JSON frame, otherwise the kind."""
        return [record.type for record in self._records]

    @property
    def order(self) -> list[str]:
        """As `types`, with runs of the same written once."""
        return [name for name, _ in itertools.groupby(self.types)]

    @property
    def gaps_s(self) -> list[float]:
        """Seconds between neighbours."""
        return [after.at_s - before.at_s for before, after in pairwise(self._records)]

    @property
    def sizes(self) -> list[int]:
        """Bytes of each."""
        return [record.size for record in self._records]

    @property
    def audio(self) -> bytes:
        """The binary payloads, joined.

        Raises:
            ValueError: some were not kept.
        """
        frames = [record.payload for record in self._records if record.kind == "binary"]
        if None in frames:
            raise ValueError("the audio was not kept")
        return b"".join(frame for frame in frames if isinstance(frame, bytes))


@dataclass(slots=True)
class Recorder:
    """Everything, up to a limit; then the oldest goes.

    Args:
        keep_audio: False keeps sizes only, for long and heavy runs.
    """

    keep_audio: bool = True
    dropped: int = 0
    _records: deque[Record] = field(default_factory=deque[Record])
    _payload_bytes: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, record: Record) -> None:
        """Write one down."""
        if isinstance(record.payload, bytes):
            self._payload_bytes += record.size
            if not self.keep_audio or self._payload_bytes > MAX_PAYLOAD_BYTES:
                record.payload = None
        if len(self._records) == MAX_RECORDS:
            self._records.popleft()
            self.dropped += 1
        self._records.append(record)
        self._news.set()

    def clear(self) -> None:
        """Forget everything."""
        self._records.clear()
        self._payload_bytes = self.dropped = 0

    @property
    def all(self) -> Records:
        """Everything, in order."""
        return Records(list(self._records))

    def select(
        self,
        *,
        kind: Kind | None = None,
        sender: Sender | None = None,
        connection: int | None = None,
        path: str | None = None,
        type: str | None = None,  # noqa: A002 - the vendors' word
    ) -> Records:
        """Return the records that are all of this; `path` is that of the connection."""
        within = None if path is None else self._connections_of(path)
        return Records(
            [
                record
                for record in self._records
                if (kind is None or record.kind == kind)
                and (sender is None or record.sender == sender)
                and (connection is None or record.connection == connection)
                and (within is None or record.connection in within)
                and (type is None or record.type == type)
            ]
        )

    def requests(self, path: str | None = None) -> Records:
        """Return what was asked, in order."""
        return self.select(kind="request", path=path)

    async def wait_for(
        self, count: int, limit_s: float = WAIT_LIMIT_S, **what: Unpack[Wanted]
    ) -> Records:
        """Wait until so many records are there that `select` finds with the same words.

        Raises:
            AssertionError: they did not come in time; the text says what did.
        """
        try:
            async with asyncio.timeout(limit_s):
                while len(found := self.select(**what)) < count:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            there = self.select(**what).types
            raise AssertionError(f"waited for {count} of {what}, there are {there}") from None
        return found

    def _connections_of(self, path: str) -> set[int]:
        return {
            one.connection for one in self._records if one.kind == "request" and one.path == path
        }

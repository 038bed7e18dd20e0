"""What a vendor's dialect consists of: the shapes that every wire has, and words for refusals.

A wire does no I/O and knows no time. `ws_loop`, `ws_speech` and `http_loop` own the connections.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import NamedTuple, Protocol

from sayna.errors import ProviderAuthFailed, ProviderError
from sayna.speech.events import SpeechEvent

Message = str | bytes
"""Of a WebSocket: text or binary."""

MAX_ERROR_CHARS = 500
"""Of a vendor's words in an error text."""

MIN_SECRET_CHARS = 4
"""Shorter ones are left alone: they would be found inside other words."""


class Signal(Enum):
    """What a message means besides what was heard."""

    READY = "ready"
    """Of a vendor that greets: the stream is open."""
    OVER = "over"
    """Everything was told; what follows is the end."""


class Reply(NamedTuple):
    """A message that the vendor's message has to be answered with."""

    message: Message


class Note(NamedTuple):
    """Something for the log; never what was heard or said."""

    name: str
    details: Mapping[str, str]


class Mark(Enum):
    """What a message means besides audio."""

    ENDED = "ended"
    """All audio of what was asked for has come."""
    CANCELLED = "cancelled"
    """What comes from here on belongs to the next utterance."""


WireEvent = SpeechEvent | Signal | Reply | Note
SpeechPart = bytes | Mark | Note


class ListenWire(Protocol):
    """One connection's dialect of one vendor. It does no I/O and knows no time."""

    @property
    def url(self) -> str:
        """With its query."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the handshake; the credentials are among them."""
        ...

    @property
    def greets(self) -> bool:
        """The stream is open only after a message that decodes to `Signal.READY`."""
        ...

    @property
    def keep_alive_s(self) -> float | None:
        """Seconds without a message of ours after which the vendor wants one; None: never."""
        ...

    def opening(self) -> Sequence[Message]:
        """Return what is sent first."""
        ...

    def encode(self, audio: bytes) -> Message | None:
        """Return the next audio as a message; None: it is less than a sample, the rest follows."""
        ...

    def keep_alive(self) -> Message | None:
        """Return what keeps the stream open without being audio."""
        ...

    def finalize(self) -> Sequence[Message]:
        """Return what asks for a final of everything heard so far."""
        ...

    def finish(self) -> Sequence[Message]:
        """Return what says that no audio follows."""
        ...

    def decode(self, message: Message) -> Iterable[WireEvent]:
        """Read a message. Unknown kinds are news for later versions, not errors.

        Raises:
            ProviderError: the vendor says that the stream has failed.
        """
        ...

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Return what a refused handshake means; header names are in lower case."""
        ...

    def closed(self, code: int | None, reason: str) -> ProviderError | None:
        """Return what the vendor's Close means; None: nothing is wrong.

        Args:
            code: of the Close; None: the connection ended without one.
            reason: the vendor's words.
        """
        ...


class SpeechWire(Protocol):
    """One connection's dialect of one vendor. It does no I/O and knows no time."""

    @property
    def url(self) -> str:
        """With its query."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the handshake; the credentials are among them."""
        ...

    @property
    def utterances_per_window(self) -> tuple[int, float]:
        """How many utterances one socket may make within how many seconds."""
        ...

    def opening(self) -> Sequence[Message]:
        """Return what is sent first."""
        ...

    def say(self, text: str) -> Sequence[Message]:
        """Return the next piece of the present utterance."""
        ...

    def end(self) -> Sequence[Message]:
        """Return what ends the present utterance; answered by `Mark.ENDED`."""
        ...

    def cancel(self) -> Sequence[Message]:
        """Return what drops it, answered by `Mark.CANCELLED`; empty: the socket must be closed."""
        ...

    def decode(self, message: Message) -> Iterable[SpeechPart]:
        """Read a message. Unknown kinds are news for later versions, not errors.

        Raises:
            ProviderError: the vendor says that it has failed.
        """
        ...

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Return what a refused handshake means; header names are in lower case."""
        ...

    def closed(self, code: int | None, reason: str) -> ProviderError | None:
        """Return what the vendor's Close means; None: nothing is wrong."""
        ...


RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses of which the same request may be spared a moment later."""


class KeyRefused(ProviderAuthFailed):
    """The vendor refused the key that came with a request; worded as all its refusals are."""

    code = "PROVIDER_KEY_REFUSED"
    tts_label = "Provider error"


@dataclass(frozen=True, slots=True)
class VendorRequest:
    """One request to a vendor."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    """None: a GET."""
    unspeakable: tuple[str, ...] = field(default=(), repr=False)
    """What no error text may repeat, although the vendor might: keys, and the text itself."""


Refusal = Callable[[int, Mapping[str, str], str], ProviderError]
"""From status, headers (names in lower case) and the body, trimmed, to the error that it means."""


def status_text(status: int) -> str:
    """Return `401 Unauthorized`; of a status without a name, the number."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return what `Retry-After` asks for, s; a date or nonsense counts as absent."""
    value = headers.get("retry-after", "")
    return float(value) if value.isdecimal() else None


def redact(text: str, unspeakable: tuple[str, ...]) -> str:
    """Return a vendor's words in one line, without what must not be repeated, trimmed."""
    for secret in unspeakable:
        if len(secret) >= MIN_SECRET_CHARS:
            text = text.replace(secret, "***")
    line = " ".join(text.split())
    return line if len(line) <= MAX_ERROR_CHARS else f"{line[: MAX_ERROR_CHARS - 1]}…"

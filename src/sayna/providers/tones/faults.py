"""Failures that a client asks for by name, so that what is built on a provider can be tested.

`stt_config.model` and `tts_config.model` of the provider `tones`:

    model     = "" | "tones" | fault { "+" fault } [ "#" label ]
    fault     = name [ ":" argument ] [ "@" place ] [ "/" nth ] [ "*" count ]
    argument  = milliseconds "ms" | seconds "s" | HTTP status
    place     = words "w" | milliseconds "ms" | seconds "s" | "open" | "end"

A fault without a place happens at the start, one without a count every time, or every nth time.
Counts belong to the whole text of the model, for as long as the provider is open; a label makes
counts of one's own.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from sayna.errors import (
    ConnectionFailed,
    NetworkFailed,
    ProviderAuthFailed,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderTimeout,
)


class Kind(StrEnum):
    """What can go wrong."""

    STALL = "stall"
    """The vendor falls silent for a time, or for good; its connection lives."""
    DROP = "drop"
    """The vendor closes the connection."""
    RESET = "reset"
    """The connection breaks."""
    HALF_OPEN = "half-open"
    """The vendor is gone, and nobody told us: nothing is answered any more."""
    STATUS = "status"
    """The vendor answers with an HTTP status."""
    GARBAGE = "garbage"
    """The vendor sends what nobody understands."""
    SLOW_FIRST_BYTE = "slow-first-byte"
    """The first answer takes its time."""
    ODD_CHUNKS = "odd-chunks"
    """Answers come in pieces of strange sizes."""
    HANG_ON_CLOSE = "hang-on-close"
    """Closing takes its time."""


class Unit(StrEnum):
    """What the place of a fault is counted in."""

    WORDS = "w"
    MS = "ms"
    OPEN = "open"
    """While the stream or the voice is opened."""
    END = "end"
    """Behind the last audio."""


@dataclass(frozen=True, slots=True)
class Place:
    """A point in a stream or an utterance."""

    after: int
    unit: Unit

    def is_reached(self, words: int, audio_ms: float) -> bool:
        """Tell whether so many words or so much audio are at it or past it."""
        if self.unit is Unit.WORDS:
            return words >= self.after
        return self.unit is Unit.MS and audio_ms >= self.after


START = Place(0, Unit.WORDS)
OPEN = Place(0, Unit.OPEN)
END = Place(0, Unit.END)
STALL_LIMIT_S = 1.0
"""Seconds of silence after which a vendor like this one counts as stuck."""

MAX_MODEL_CHARS = 300
MAX_FAULTS = 16
HANG_MS = 60_000
"""How long `hang-on-close` takes when it does not say: longer than anybody should wait."""

NEEDS = {Kind.STATUS: "400 to 599", Kind.SLOW_FIRST_BYTE: "a time such as 800ms"}
TIMED = frozenset({Kind.STALL, Kind.SLOW_FIRST_BYTE, Kind.HANG_ON_CLOSE})
PLACELESS = frozenset({Kind.SLOW_FIRST_BYTE, Kind.HANG_ON_CLOSE})
"""Their place is in their name."""
AUDIBLE = frozenset({Kind.ODD_CHUNKS})
"""They need something to happen to: neither opening nor the end will do."""
RETRYABLE = frozenset({408, 429, 500, 502, 503, 504})

GRAMMAR = (
    "faults joined by '+', each NAME[:ARGUMENT][@PLACE][/NTH][*COUNT], as in 'drop@3w*1+odd-chunks'"
    " or 'slow-first-byte:800ms'; names are stall[:TIME], drop, reset, half-open, status:CODE,"
    " garbage, slow-first-byte:TIME, odd-chunks, hang-on-close[:TIME]; a place is 3w (words), 500ms"
    ", 2s, open or end; '#LABEL' at the end makes counts of its own"
)

_KINDS = {kind.value: kind for kind in Kind}
_FAULT = re.compile(
    r"(?P<name>[a-z-]+)(?::(?P<argument>\d{1,6})(?P<time>ms|s)?)?"
    r"(?:@(?:(?P<after>\d{1,6})(?P<unit>w|ms|s)|(?P<edge>open|end)))?"
    r"(?:/(?P<nth>[1-9]\d{0,5}))?(?:\*(?P<count>\d{1,6}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    kind: Kind
    value: int | None = None
    """Milliseconds, or the HTTP status; None: not said."""
    place: Place | None = None
    """None: at the start."""
    count: int | None = None
    """How many times; None: every time."""
    nth: int = 1
    """It happens each time that its place has been reached so often."""


def parse_faults(model: str) -> tuple[Fault, ...]:
    """Understand `model`.

    Raises:
        ProviderMisconfigured: it is not of the grammar, which the error tells.
    """
    written = model.partition("#")[0].strip()
    if len(model) > MAX_MODEL_CHARS:
        raise _wrong(f"is longer than {MAX_MODEL_CHARS} characters")
    if written in {"", "tones"}:
        return ()
    parts = written.split("+")
    if len(parts) > MAX_FAULTS:
        raise _wrong(f"has more than {MAX_FAULTS} faults")
    return tuple(_parse_fault(part.strip()) for part in parts)


def _parse_fault(text: str) -> Fault:
    found = _FAULT.fullmatch(text)
    kind = _KINDS.get(found["name"]) if found is not None else None
    if found is None or kind is None:
        raise _wrong(f"has {text[:40]!r}, which is no fault")
    count = None if found["count"] is None else int(found["count"])
    nth = int(found["nth"] or 1)
    fault = Fault(kind, _parse_value(kind, found), _parse_place(kind, found), count, nth)
    if fault.value is None and kind in NEEDS:
        raise _wrong(f"has {text[:40]!r}: {kind}:… needs {NEEDS[kind]}")
    return fault


def _parse_value(kind: Kind, found: re.Match[str]) -> int | None:
    if found["argument"] is None:
        return None
    value, time = int(found["argument"]), found["time"]
    if kind is Kind.STATUS and time is None and 400 <= value <= 599:
        return value
    if kind in TIMED and time is not None:
        return value * (1000 if time == "s" else 1)
    raise _wrong(f"has {found[0][:40]!r}, whose argument means nothing there")


def _parse_place(kind: Kind, found: re.Match[str]) -> Place | None:
    edge = {"open": OPEN, "end": END, None: None}[found["edge"]]
    if found["after"] is None and edge is None:
        return None
    if kind in PLACELESS or (kind in AUDIBLE and edge is not None):
        raise _wrong(f"has {found[0][:40]!r}: {kind} takes no such place")
    if edge is not None:
        return edge
    after, unit = int(found["after"]), found["unit"]
    if unit == "w":
        return Place(after, Unit.WORDS)
    return Place(after * (1000 if unit == "s" else 1), Unit.MS)


def _wrong(why: str) -> ProviderMisconfigured:
    return ProviderMisconfigured(f"the model of the provider tones {why}; it may be {GRAMMAR}")


def error_of(fault: Fault) -> ProviderError | None:
    """Return what the adapter of a real vendor would raise; None for faults that raise nothing."""
    match fault.kind:
        case Kind.DROP:
            return ConnectionFailed("tones closed the connection", retryable=True)
        case Kind.RESET:
            return NetworkFailed("the connection to tones was reset", retryable=True)
        case Kind.GARBAGE:
            return ProviderRefused("tones sent what cannot be understood")
        case Kind.STATUS if fault.value is not None:
            return _status_error(fault.value)
        case _:
            return None


def _status_error(status: int) -> ProviderError:
    known = {each.value: each.phrase for each in HTTPStatus}
    detail = f"API error ({status} {known.get(status, 'Unknown')}): the model asked for it"
    retryable = status in RETRYABLE
    if status in {401, 403}:
        return ProviderAuthFailed(detail)
    if status in {408, 504}:
        return ProviderTimeout(detail, retryable=retryable)
    return ProviderRefused(detail, retryable=retryable)


@dataclass(slots=True)
class Tally:
    """How often the place of a fault was reached, and how often it happened."""

    reached: int = 0
    happened: int = 0


class FaultPlan:
    """The faults of one stream or voice, and how often each may still happen."""

    def __init__(self, faults: Sequence[Fault], tallies: Sequence[Tally]) -> None:
        self.faults = tuple(faults)
        self._tallies = tallies
        """By fault; shared by all plans of one model."""

    def of(self, *kinds: Kind) -> list[Fault]:
        """Return the faults of these kinds, as written."""
        return [fault for fault in self.faults if fault.kind in kinds]

    def at_opening(self, *kinds: Kind) -> list[Fault]:
        """Return the faults that happen while opening: those of these kinds without a place too."""
        return [
            fault
            for fault in self.faults
            if fault.place == OPEN or (fault.place is None and fault.kind in kinds)
        ]

    def happens(self, fault: Fault) -> bool:
        """Tell whether a fault whose place is reached happens now, and count it."""
        tally = self._tallies[self.faults.index(fault)]
        tally.reached += 1
        if tally.reached % fault.nth:
            return False
        if fault.count is not None and tally.happened >= fault.count:
            return False
        tally.happened += 1
        return True


class FaultLedger:
    """What has happened so far, by model; the models longest unused are forgotten."""

    def __init__(self, max_models: int = 1024) -> None:
        self._max_models = max_models
        self._happened: OrderedDict[tuple[str, str], list[Tally]] = OrderedDict()

    def plan(self, side: str, model: str) -> FaultPlan:
        """Return the plan that a model asks for.

        Args:
            side: `stt` or `tts`: each counts for itself.
            model: as the client sent it.

        Raises:
            ProviderMisconfigured: the model is not of the grammar.
        """
        faults = parse_faults(model)
        if not faults:
            return FaultPlan((), [])
        happened = self._happened.setdefault((side, model), [Tally() for _ in faults])
        self._happened.move_to_end((side, model))
        while len(self._happened) > self._max_models:
            self._happened.popitem(last=False)
        return FaultPlan(faults, happened)

"""What an emulator is told to do wrong or late, and to whom.

A rule matches a request by path, key, query or body text and carries actions. The first rule that
matches is used, once or as often as it says; a request that no rule matches is served as the
vendor would. Rules come from a test (`Rules.add`) or as JSON (`POST /_ctl/rules`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, TypeVar

import msgspec

from tests.emulators.json_objects import parse_object

Direction = Literal["sent", "received"]
"""Seen from the emulator."""


class _Action(msgspec.Struct, kw_only=True, tag_field="do", forbid_unknown_fields=True):
    """One thing to do."""


class Reject(_Action, tag="reject"):
    """Answer the request, or the upgrade, with a status; without a body the vendor's for it."""

    status: int = 401
    body: str | dict[str, Any] | None = None
    headers: dict[str, str] = {}


class Refuse(_Action, tag="refuse"):
    """Reset the connection as soon as the request is read."""


class StallHandshake(_Action, tag="stall_handshake"):
    """Wait before the request is answered; without `ms` for ever."""

    ms: float | None = None


class ReadyDelay(_Action, tag="ready_delay"):
    """Hold back the vendor's first message."""

    ms: float


class FirstByte(_Action, tag="ttfb"):
    """Take so long to the first audio of each utterance, or to the first result."""

    ms: float


class Chunk(_Action, tag="chunk"):
    """Cut audio into chunks of so many bytes, so far apart."""

    bytes: int | None = None
    gap_ms: float | None = None
    jitter_ms: float = 0.0
    """Each gap is longer or shorter by up to so much."""
    odd: bool = False
    """Every chunk has an odd number of bytes, so that samples are torn."""


class Speed(_Action, tag="speed"):
    """Generate audio so many times as fast as it plays; `x` missing means at once."""

    x: float | None = None


class _Later(_Action):
    """Something that happens once so much has been sent or received; with nothing said, at once."""

    bytes: int = 0
    messages: int = 0
    of: Direction = "sent"


class DropAfter(_Later, tag="drop_after"):
    """End the connection: with a Close frame, a reset, or without any sign."""

    mode: Literal["close", "reset", "half-open", "eof"] = "reset"
    code: int = 1011
    reason: str = ""


class Hang(_Later, tag="hang"):
    """Send nothing more, for so long or for ever; the socket stays and is read."""

    ms: float | None = None


class ErrorMessage(_Later, tag="error_msg"):
    """Send an error in band; without a body the vendor's. A fatal one ends the connection."""

    body: dict[str, Any] | None = None
    fatal: bool = True
    code: int = 1011
    reason: str = ""


class Malformed(_Later, tag="malformed"):
    """Send a broken copy ahead of the next message."""

    kind: Literal["truncated_json", "wrong_type", "non_utf8", "empty_binary", "not_json"] = (
        "truncated_json"
    )


class ExpireToken(_Later, tag="expire_token"):
    """The key of this connection is good for nothing new from now on."""


class Duplicate(_Action, tag="dup"):
    """Send each of the first n finals twice."""

    n: int = 1


class Reorder(_Action, tag="reorder"):
    """Let n finals, or n chunks of cancelled audio, come late."""

    n: int = 1


class IdleClose(_Action, tag="idle_close"):
    """Another limit for a silent client."""

    s: float


class MaxSession(_Action, tag="max_session"):
    """End a connection after so long."""

    s: float
    code: int = 1011
    reason: str = "session limit reached"


class Quota(_Action, tag="quota"):
    """Another limit for something that the vendor counts."""

    n: int
    window_s: float = 60.0
    what: str = "flush"


Later = DropAfter | Hang | ErrorMessage | Malformed | ExpireToken
Action = (
    Reject | Refuse | StallHandshake | ReadyDelay | FirstByte | Chunk | Speed
    | DropAfter | Hang | ErrorMessage | Malformed | ExpireToken
    | Duplicate | Reorder | IdleClose | MaxSession | Quota
)  # fmt: skip


class Match(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom a rule is for; what is not said matches everybody."""

    path: str | None = None
    key: str | None = None
    nth: int | None = None
    """The how-manieth request that matches the rest, from 1; later ones do not match."""
    query: dict[str, str] = {}
    text: str | None = None
    """Occurs in the body of the request."""


class Rule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Actions for whoever matches."""

    action: list[Action]
    match: Match = msgspec.field(default_factory=Match)
    times: int | None = 1
    """How often; None is always."""


_Kind = TypeVar("_Kind", bound=_Action)


@dataclass(frozen=True, slots=True)
class Plan:
    """The actions for one connection."""

    actions: tuple[Action, ...] = ()

    def of(self, kind: type[_Kind]) -> _Kind | None:
        """Return the first action of a kind."""
        return next((action for action in self.actions if isinstance(action, kind)), None)

    def later(self) -> list[Later]:
        """Return what is to happen in the midst of the connection."""
        return [action for action in self.actions if isinstance(action, _Later)]

    def quota(self, what: str, usual: Quota) -> Quota:
        """Return the limit for something that the vendor counts."""
        chosen = (a for a in self.actions if isinstance(a, Quota) and a.what == what)
        return next(chosen, usual)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a rule looks at."""

    path: str
    key: str | None = None
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    text: str = ""


@dataclass(slots=True)
class _Standing:
    """A rule and what has come of it."""

    rule: Rule
    left: int | None
    seen: int = 0

    def take(self, asked: Asked) -> bool:
        """Count a request that is meant; True when the rule is for this one."""
        if not _is_meant(self.rule.match, asked):
            return False
        self.seen += 1
        nth = self.rule.match.nth
        if self.left == 0 or (nth is not None and nth != self.seen):
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Rules:
    """The rules of one emulator, in the order in which they were added."""

    def __init__(self) -> None:
        self._standing: list[_Standing] = []

    def add(
        self,
        *actions: Action,
        path: str | None = None,
        key: str | None = None,
        nth: int | None = None,
        query: Mapping[str, str] | None = None,
        text: str | None = None,
        times: int | None = 1,
    ) -> None:
        """Let a request that matches meet with these actions.

        Args:
            actions: all of them, for one connection.
            path: exactly.
            key: the credential that was sent.
            nth: only the how-manieth request that matches the rest, from 1.
            query: parameters and their values.
            text: occurs in the body.
            times: how often; None is always.
        """
        match = Match(path=path, key=key, nth=nth, query=dict(query or {}), text=text)
        self.put(Rule(action=list(actions), match=match, times=times))

    def put(self, rule: Rule) -> None:
        """Add a rule behind the others."""
        self._standing.append(_Standing(rule, rule.times))

    def clear(self) -> None:
        """Forget all rules."""
        self._standing.clear()

    def take(self, asked: Asked) -> Plan:
        """Use the first rule that is for this request."""
        for standing in self._standing:
            if standing.take(asked):
                return Plan(tuple(standing.rule.action))
        return Plan()

    @property
    def unused(self) -> list[Rule]:
        """The rules that never came to anything: a test that has some tested something else."""
        return [
            one.rule
            for one in self._standing
            if one.left == one.rule.times and one.left != 0 and one.rule.times is not None
        ]


def cut_at(audio: bytes, sent: int, ahead: Iterable[Later]) -> list[bytes]:
    """Cut audio where something is to happen, so that its place is exact.

    Args:
        audio: about to be sent.
        sent: bytes sent before it.
        ahead: what is to happen.
    """
    places = (later.bytes - sent for later in ahead if later.of == "sent" and later.bytes)
    cuts = sorted({0, len(audio), *(cut for cut in places if 0 < cut < len(audio))})
    return [audio[start:end] for start, end in pairwise(cuts)] or [audio]


def parse_rule(body: bytes) -> Rule:
    """Read `{"match": {…}, "action": {"do": …} or a list of them, "times": n}`.

    Raises:
        ValueError: it is no rule; the text says where.
    """
    raw = parse_object(body)
    if raw is not None and isinstance(raw.get("action"), dict):
        raw["action"] = [raw["action"]]
    return msgspec.convert(raw, Rule)


def _is_meant(match: Match, asked: Asked) -> bool:
    if match.path is not None and match.path != asked.path:
        return False
    if match.key is not None and match.key != asked.key:
        return False
    if match.text is not None and match.text not in asked.text:
        return False
    return all(asked.query.get(name) == value for name, value in match.query.items())

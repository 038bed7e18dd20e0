"""Find a field that a JSON message gives twice; the decoder of `messages` would take the last."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

SEARCHED_CHARS = 4 * 2**20
"""Longer messages are not searched; no sound message is as long."""

SEARCHED_VALUES = 10_000
"""Nor are those with more values: taking them apart would keep every session waiting."""


def find_repeated_field(
    text: str, fields: Sequence[str], nested: Mapping[str, Sequence[str]]
) -> str | None:
    """Return a field of ours that a message gives twice; unknown ones may come as often.

    Args:
        text: a JSON object that the decoder has accepted.
        fields: those of the object itself.
        nested: those of the objects in it, by the path to each or to a list of them: `a.b`.
    """
    suspicious = nested or "\\u" in text or any(text.count(f'"{name}"') > 1 for name in fields)
    if not suspicious or len(text) > SEARCHED_CHARS or _values(text) > SEARCHED_VALUES:
        return None
    try:
        message = json.loads(
            text, object_pairs_hook=_Object, parse_int=str, parse_float=str, strict=False
        )
    except (ValueError, RecursionError):
        return None  # in something unknown, which the decoder has skipped over
    places: list[tuple[object, Sequence[str]]] = [(message, fields)]
    places += [(one, inner) for path, inner in nested.items() for one in _reach(message, path)]
    for place, known in places:
        if isinstance(place, _Object) and (twice := place.twice.intersection(known)):
            return min(twice)
    return None


def _reach(message: object, path: str) -> list[object]:
    """Return what a path leads to: one value, or those of a list."""
    value = message
    for name in path.split("."):
        value = value.get(name) if isinstance(value, _Object) else None
    return cast("list[object]", value) if isinstance(value, list) else [value]


def _values(text: str) -> int:
    """Return about how many values a JSON text has; marks inside its strings count as well."""
    return sum(map(text.count, "{[,"))


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its keys came more than once."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice: set[str] = set()
        if len(self) < len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                (self.twice if key in seen else seen).add(key)

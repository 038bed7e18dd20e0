"""Broken copies of a vendor's message, to see what a client makes of them."""

import json
from typing import cast


def mangle(kind: str, text: str) -> tuple[bytes, bool]:
    """Return a broken copy, and whether it goes out as text.

    Args:
        kind: as in `rules.Malformed`.
        text: the message that is about to be sent.
    """
    match kind:
        case "truncated_json":
            return text.encode()[: max(1, len(text) // 2)], True
        case "wrong_type":
            return json.dumps(_twist(json.loads(text))).encode(), True
        case "non_utf8":
            return b'{"type":"\xff\xfe"}', True
        case "empty_binary":
            return b"", False
        case "not_json":
            return b"nonsense", True
        case _:
            raise ValueError(f"no way of mangling is called {kind!r}")


def _twist(value: object, name: str = "") -> object:
    """Give every value but `type` another type."""
    match value:
        case dict():
            fields = cast("dict[str, object]", value)
            return {key: _twist(each, key) for key, each in fields.items()}
        case str() if name == "type":
            return value
        case bool() | int() | float():
            return str(value)
        case str():
            return len(value)
        case list():
            return {"0": cast("list[object]", value)}
        case _:
            return [value]

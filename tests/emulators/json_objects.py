"""JSON that came from outside, as far as it is an object."""

import json
from typing import Any, cast


def parse_object(text: str | bytes) -> dict[str, Any] | None:
    """Return the object that a text is; None when it is no JSON, or something else."""
    try:
        found: object = json.loads(text)
    except ValueError:
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None

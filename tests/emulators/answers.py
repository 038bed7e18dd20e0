"""Answers that are no stream: errors, and JSON as the vendors send it."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web


class Refused(Exception):
    """The request is answered with an error.

    Args:
        status: of HTTP.
        body: JSON, or text as it is; None is the vendor's usual body for the status.
        headers: beside the vendor's usual ones.
    """

    def __init__(
        self,
        status: int,
        body: Mapping[str, Any] | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def json_response(
    body: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return JSON as the vendors send it: no spaces."""
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    kind = {"content-type": "application/json"}  # no charset
    return web.Response(body=text.encode(), status=status, headers=kind | dict(headers or {}))

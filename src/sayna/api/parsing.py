"""A request body becomes JSON, then a model: each way to fail has its own status.

415 content type, 413 size, 400 syntax, 422 types; in this order, and all of them before the route
runs. Syntax is RFC 8259 to the letter (msgspec), types are never coerced (pydantic, strict).
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope
from typing_extensions import override

from sayna.api.errors import RequestRejected

MAX_BODY_BYTES = 2 * 1024 * 1024
BODY_S = 60.0
JSON_TYPE = re.compile(
    rb"application/(?:json|[!#$%&'*+.^_`|~0-9a-z-]+\+json)"  # the type itself
    rb"(?:;[ \t]*(?:[!#$%&'*+.^_`|~0-9a-z-]+=(?:[^\";, \t]+|\"[^\"]*\")[ \t]*)?)*",
    re.IGNORECASE,
)
"""No space before a semicolon: strict senders never write one, and lenient parsers disagree."""


class Body(BaseModel):
    """A JSON request body: unknown keys are ignored, known ones have exactly their type."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """Read the whole body, at most 2 MiB, within a minute.

    Raises:
        RequestRejected: 413, by the declared length already or while reading; 408, too slow.
        ClientDisconnect: the client went away in the middle.
    """
    declared = _header(scope, b"content-length")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise _too_large()
    try:
        async with asyncio.timeout(BODY_S):
            return await _collect(receive)
    except TimeoutError:
        raise RequestRejected(408, f"The request body took longer than {BODY_S:g} s") from None


async def _collect(receive: Receive) -> bytes:
    taken = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        taken += message.get("body", b"")
        if len(taken) > MAX_BODY_BYTES:
            raise _too_large()
        if not message.get("more_body", False):
            return bytes(taken)


def check_content_type(scope: Scope) -> None:
    """Accept `application/json` and `application/*+json`; of several headers the first counts.

    Raises:
        RequestRejected: 415.
    """
    if JSON_TYPE.fullmatch(_header(scope, b"content-type").strip(b" \t")) is None:
        raise RequestRejected(415, "Expected request with `Content-Type: application/json`")


def parse_json(body: bytes) -> object:
    """Return any JSON value.

    Raises:
        RequestRejected: 400, the body is not JSON, or nested deeper than anything sensible.
    """
    try:
        return cast("object", msgspec.json.decode(body))
    except RecursionError:
        raise RequestRejected(400, "The request body is nested too deeply") from None
    except UnicodeDecodeError:
        raise RequestRejected(400, "The request body is not valid UTF-8") from None
    except msgspec.MsgspecError as error:
        raise RequestRejected(400, f"Failed to parse the request body as JSON: {error}") from None


class ParsedRequest(Request):
    """A request whose body has been read and parsed already; the framework only checks types."""

    def __init__(self, request: Request, body: bytes, value: object) -> None:
        headers = [(b"content-type", b"application/json")]  # as far as the framework needs to know
        headers += [entry for entry in request.scope["headers"] if entry[0] != b"content-type"]
        super().__init__({**request.scope, "headers": headers}, request.receive)
        self._raw = body
        self._value = value

    @override
    async def body(self) -> bytes:
        """Return the bytes as received."""
        return self._raw

    @override
    async def json(self) -> Any:
        """Return the parsed value."""
        return self._value


async def parse_request(request: Request) -> ParsedRequest:
    """Check and parse the body of a request, without looking at its types yet.

    Raises:
        RequestRejected: 415, 413 or 400, in this order.
    """
    check_content_type(request.scope)
    body = await read_body(request.scope, request.receive)
    return ParsedRequest(request, body, parse_json(body))


def type_error(error: RequestValidationError) -> RequestRejected:
    """Word the first type error: the path of the field, then what is wrong with it."""
    first = cast("Mapping[str, Any]", error.errors()[0])
    path = _field_path(cast("Sequence[object]", first["loc"])[1:])
    where = f"{path}: " if path else ""
    return RequestRejected(422, f"The request body is not as expected: {where}{first['msg']}")


def _field_path(parts: Sequence[object]) -> str:
    """Write `("a", 0, "b")` as `a[0].b`."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else str(part)
    return path


def _header(scope: Scope, wanted: bytes) -> bytes:
    headers = cast("Sequence[tuple[bytes, bytes]]", scope["headers"])
    return next((value for name, value in headers if name == wanted), b"")


def _too_large() -> RequestRejected:
    return RequestRejected(413, f"The request body is larger than {MAX_BODY_BYTES} bytes")

"""Paths and methods: matched while still percent-encoded, without redirects or surprises."""

import re
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from sayna.api.errors import RequestRejected
from sayna.api.parsing import parse_request, type_error

ASKED_METHOD_KEY = "sayna.asked_method"
"""Where the ASGI scope keeps the method that the client used."""

ALLOW_ORDER = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ABSOLUTE_FORM = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
"""Scheme and authority of a target; what they say is of no interest here."""


class JsonRoute(APIRoute):
    """A route of ours: path parameters are decoded late, JSON bodies parsed by our own rules."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the framework's handler in our reading of path and body."""
        handle = super().get_route_handler()

        async def decode_and_handle(request: Request) -> Response:
            decode_path(request.scope)
            if self.body_field is not None:
                request = await parse_request(request)
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise type_error(error) from None

        return decode_and_handle


def decode_path(scope: Scope) -> None:
    """Decode the matched path parameters in place; `%zz` stands for itself.

    Raises:
        RequestRejected: 400, a parameter is not UTF-8.
    """
    parameters = cast("dict[str, str]", scope.get("path_params", {}))
    for name, raw in parameters.items():
        try:
            parameters[name] = unquote_to_bytes(raw.encode("latin-1")).decode("utf-8")
        except UnicodeDecodeError:
            raise RequestRejected(400, f"Invalid URL: invalid UTF-8 in `{name}`") from None


def allowed_methods(routes: Iterable[BaseRoute], path: str) -> str:
    """Return every method that some route answers at this path, as an `Allow` header."""
    methods: set[str] = set()
    for route in routes:
        if isinstance(route, APIRoute) and route.path_regex.match(path):
            methods |= route.methods or set()
    if "GET" in methods:
        methods.add("HEAD")
    return ",".join(method for method in ALLOW_ORDER if method in methods)


class RawPath:
    """ASGI middleware: the path that everything below sees is the one the client sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Replace the decoded path by the raw one."""
        if scope["type"] in ("http", "websocket"):
            scope["path"] = raw_path(scope).decode("latin-1")
        await self._app(scope, receive, send)


def raw_path(scope: Scope) -> bytes:
    """Return the path as sent: no fragment, no query, and of an absolute URL the path alone."""
    raw = cast("bytes", scope.get("raw_path") or scope["path"].encode("latin-1"))
    raw = raw.partition(b"#")[0].partition(b"?")[0]
    if absolute := ABSOLUTE_FORM.match(raw):
        raw = raw[absolute.end() :] or b"/"
    return raw


class HeadAsGet:
    """ASGI middleware: HEAD is answered wherever GET is, with the same headers and no body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the GET and hold back its body."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        as_get = {**scope, "method": "GET", ASKED_METHOD_KEY: "HEAD"}
        await self._app(as_get, receive, send_head)

"""One identifier and one log line for every request, and an answer for every accident."""

import asyncio
import re
import time
import uuid
from collections.abc import Iterable
from typing import cast

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sayna.api.errors import JsonAnswer
from sayna.api.services import Drain

log = structlog.get_logger(__name__)

REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
HEADER = b"x-request-id"
MAX_LOGGED_CHARS = 300
"""Of a path; strangers choose how long it is."""


class RequestLog:
    """ASGI middleware: takes or makes the request's id, says what was answered and how fast.

    Neither queries (they may hold a credential) nor headers nor bodies are ever logged.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the request within its own logging context."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = choose_request_id(scope["headers"])
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._run(scope, receive, send, request_id)

    async def _run(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {
                    **message,
                    "headers": [*message.get("headers", []), (HEADER, request_id.encode())],
                }
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            log.debug("client_gone")
        except asyncio.CancelledError:  # the server has waited for us as long as it would
            if status or not _is_stopping(scope):
                raise
            log.warning("request_cut_short")
            await JsonAnswer({"error": "Server is stopping"}, 503)(scope, receive, send_with_id)
        except Exception:
            log.exception("request_crashed")
            if status:  # the answer is half out: only the server can cut the connection now
                raise
            await JsonAnswer({"error": "Internal server error"}, 500)(scope, receive, send_with_id)
        finally:
            say = log.debug if scope["path"] == "/" else log.info
            took_ms = round((time.perf_counter() - started) * 1000, 1)
            path = scope["path"][:MAX_LOGGED_CHARS]
            say("request", method=scope["method"], path=path, status=status, ms=took_ms)


def _is_stopping(scope: Scope) -> bool:
    drain = cast("Drain", scope["app"].state.drain)
    return drain.draining.is_set()


def choose_request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the caller's identifier when it is a sane one, else a new one.

    Args:
        headers: names in lower case.
    """
    given = next((value for name, value in headers if name == HEADER), b"")
    return given.decode() if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex

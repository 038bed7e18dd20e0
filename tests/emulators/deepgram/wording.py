"""How Deepgram words its refusals and closings.

Source: the vendor's pages "Errors" and "STT/TTS Troubleshooting WebSocket, NET, and DATA Errors",
and answers of its servers that users have reported.
"""

import uuid
from typing import Any

from aiohttp import web

from tests.emulators.answers import Refused, json_response
from tests.emulators.server import Exchange

_IDLE = "Deepgram did not receive audio data or a text message within the timeout window."
NET_0001 = (1011, f"{_IDLE} See https://dpgr.am/net0001")
DATA_0000 = (1008, "DATA-0000: the payload cannot be decoded")

SOCKET_ERROR = {"type": "Error", "variant": "InternalError", "description": "internal server error"}

_USUAL = {
    400: ("Bad Request", "Bad Request"),
    401: ("INVALID_AUTH", "Invalid credentials."),
    402: ("ASR_PAYMENT_REQUIRED", "Project does not have enough credits for an ASR request."),
    403: ("INSUFFICIENT_PERMISSIONS", "User does not have sufficient permissions."),
    404: ("NOT_FOUND", "Not found."),
    405: ("METHOD_NOT_ALLOWED", "Method not allowed."),
    413: ("PAYLOAD_TOO_LARGE", "Input text exceeds maximum character limit of 2000."),
    415: ("UNSUPPORTED_MEDIA_TYPE", "Content type must be application/json."),
    422: ("UNPROCESSABLE_ENTITY", "The request could not be processed."),
    429: ("TOO_MANY_REQUESTS", "Too many requests. Please try again later."),
    500: ("INTERNAL_SERVER_ERROR", "Internal server error."),
    502: ("BAD_GATEWAY", "Bad gateway."),
    503: ("SERVICE_UNAVAILABLE", "Service unavailable."),
    504: ("GATEWAY_TIMEOUT", "Gateway timeout."),
}


def new_id() -> str:
    """Return a request id."""
    return str(uuid.uuid4())


def bad_query(message: str) -> Refused:
    """Refuse a query parameter."""
    return Refused(400, {"err_code": "INVALID_QUERY_PARAMETER", "err_msg": message})


def bad_format(message: str) -> Refused:
    """Refuse a combination of encoding, container, rate."""
    text = f"Unsupported audio format: {message}"
    return Refused(400, {"err_code": "UNSUPPORTED_AUDIO_FORMAT", "err_msg": text})


def bad_json(details: str) -> Refused:
    """Refuse a body that is no JSON, or not the right one."""
    message = "Invalid JSON submitted."
    return Refused(400, {"category": "INVALID_JSON", "message": message, "details": details})


def refusal(exchange: Exchange, refused: Refused) -> web.Response:
    """Return an error, with its reason in `dg-error` too."""
    del exchange
    request_id = new_id()
    body: Any = refused.body
    if body is None:
        code, message = _USUAL.get(refused.status, ("ERROR", f"Error {refused.status}"))
        body = {"err_code": code, "err_msg": message}
    headers = {"dg-request-id": request_id} | refused.headers
    if isinstance(body, str):
        return web.Response(text=body, status=refused.status, headers=headers)
    reason = body.get("err_msg") or body.get("message")
    if isinstance(reason, str) and reason.isascii() and reason.isprintable():
        headers.setdefault("dg-error", reason)
    return json_response({"request_id": request_id} | body, refused.status, headers)

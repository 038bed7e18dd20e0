"""Deepgram's ways of saying no, as our errors. No I/O happens here.

Source: https://developers.deepgram.com/docs/errors
"""

from collections.abc import Mapping

import msgspec

from sayna.errors import (
    NetworkFailed,
    ProviderAuthFailed,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
)
from sayna.providers.wires import RETRYABLE, KeyRefused, redact, retry_after_s, status_text

UNDECODABLE = "DATA-0000"


class _Reason(msgspec.Struct):
    """The body of a refusal, in both of its shapes."""

    err_msg: str = ""
    message: str = ""
    details: str = ""


def refused_stream(status: int, headers: Mapping[str, str], body: bytes, key: str) -> ProviderError:
    """Return what a refused WebSocket handshake means, with Deepgram's reason.

    Args:
        status: of the answer.
        headers: names in lower case.
        body: as much of it as came.
        key: which must not be repeated.
    """
    reason = redact(_reason(body) or headers.get("dg-error", ""), (key,))
    text = f"Deepgram refused ({status_text(status)})"
    text = f"{text}: {reason}" if reason else text
    if status in {401, 403}:
        return ProviderAuthFailed(text)
    if status == 400:
        return ProviderMisconfigured(text)
    return ProviderRefused(
        text, retryable=status in RETRYABLE, retry_after_s=retry_after_s(headers)
    )


def refused_request(status: int, headers: Mapping[str, str], body: str) -> ProviderError:
    """Return what an answer other than 200 means; the body is fit for a client already."""
    text = f"API error ({status_text(status)}): {body}"
    if status in {401, 403}:
        return KeyRefused(text)
    return ProviderRefused(
        text, retryable=status in RETRYABLE, retry_after_s=retry_after_s(headers)
    )


def closing_of(code: int | None, reason: str, key: str) -> ProviderError:
    """Return what the unexpected end of a stream means.

    Args:
        code: of Deepgram's Close; None: there was none.
        reason: in Deepgram's words.
        key: which must not be repeated.
    """
    if code is None:
        return NetworkFailed("the connection to Deepgram was lost", retryable=True)
    told = redact(f"{code} {reason}", (key,))
    if code == 1008 and UNDECODABLE in reason:
        return ProviderMisconfigured(f"Deepgram cannot read what it was sent ({told})")
    return NetworkFailed(f"Deepgram closed the connection ({told})", retryable=True)


def _reason(body: bytes) -> str:
    try:
        said = msgspec.json.decode(body, type=_Reason)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace")
    return said.err_msg or ": ".join(filter(None, (said.message, said.details)))

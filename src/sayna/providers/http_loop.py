"""The one loop for vendors that answer a POST with audio, and for their lists of voices.

A vendor says what to ask and what a refusal means; the loop owns the connections. They are shared
by all sessions of the process and all accounts, because a connection carries no credentials, only
requests do. There is no limit to their number, and none is tried again here: whoever asked knows
whether something was heard already (`sayna.session.making`).
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp
import structlog

from sayna.errors import AudioRejected, NetworkFailed, ProviderError, ProviderTimeout
from sayna.providers.wires import Refusal, VendorRequest, redact

log = structlog.get_logger(__name__)

CONNECT_LIMIT_S = 5.0
"""Seconds for the way to the vendor, TLS included."""

KEPT_S = 90.0
"""Seconds that a connection is kept for the next request."""

WARM_S = 60.0
"""Seconds after a request in which a connection counts as warm."""

ERROR_LIMIT_S = 2.0
"""Seconds for the reason of a refusal."""

MAX_ERROR_BYTES = 16 * 1024
MAX_JSON_BYTES = 8 * 2**20


class VendorHttp:
    """The connections to one vendor; made by `open_vendor_http`.

    Args:
        session: shared by all requests.
        tasks: hold what warms connections.
        now: seconds that never go back.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        tasks: asyncio.TaskGroup,
        now: Callable[[], float],
    ) -> None:
        self._session = session
        self._tasks = tasks
        self._now = now
        self._warm_until = float("-inf")
        self._warming: asyncio.Task[None] | None = None

    def warm(self, url: str) -> None:
        """Have a connection open before the first request needs it; waits for nothing.

        Args:
            url: of the vendor; it is asked for its headers.
        """
        if self._now() >= self._warm_until:
            self._warm_until = self._now() + WARM_S
            self._warming = self._tasks.create_task(self._warm(url), name="vendor-warm-up")

    def stop(self) -> None:
        """Warm nothing any more."""
        if self._warming is not None:
            self._warming.cancel()

    async def post_for_audio(
        self, request: VendorRequest, refusal: Refusal, *, connect_limit_s: float, limit_s: float
    ) -> AsyncGenerator[bytes, None]:
        """Yield the audio as it comes; `aclose()` ends the request at once.

        Args:
            request: what to ask.
            refusal: what an answer other than 200 means.
            connect_limit_s: seconds to be connected, `CONNECT_LIMIT_S` at most.
            limit_s: seconds to the first byte, and from each chunk to the next.

        Raises:
            ProviderError: the vendor refuses, cannot be reached, or breaks off.
        """
        limits = _limits(min(connect_limit_s, CONNECT_LIMIT_S), limit_s)
        answer = await self._ask(request, limits)
        try:
            if answer.status != HTTPStatus.OK:
                raise await _refused(answer, request, refusal)
            while chunk := await _next_chunk(answer, limit_s):
                yield chunk
        finally:
            answer.close()  # of no effect on a connection that was read to the end
            self._warm_until = self._now() + WARM_S

    async def get_json(self, request: VendorRequest, refusal: Refusal, *, limit_s: float) -> bytes:
        """Return the body of a GET, a few megabytes at most.

        Raises:
            ProviderError: the vendor refuses, cannot be reached, or is too slow.
        """
        answer = await self._ask(request, _limits(CONNECT_LIMIT_S, limit_s))
        try:
            if answer.status != HTTPStatus.OK:
                raise await _refused(answer, request, refusal)
            body = bytearray()
            while chunk := await _next_chunk(answer, limit_s):
                body += chunk
                if len(body) > MAX_JSON_BYTES:
                    raise NetworkFailed("the vendor's answer has no end")
            return bytes(body)
        finally:
            answer.close()

    async def _ask(
        self, request: VendorRequest, limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        try:
            return await self._session.request(
                "GET" if request.body is None else "POST",
                request.url,
                data=request.body,
                headers=request.headers,
                timeout=limits,
                allow_redirects=False,  # a redirect would carry the key to another host
            )
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise NetworkFailed(f"Request failed: {_why(error)}", retryable=True) from error
        except TimeoutError as error:
            raise ProviderTimeout(f"no audio within {limits.sock_read:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise NetworkFailed(f"Request failed: {_why(error)}", retryable=True) from error

    async def _warm(self, url: str) -> None:
        try:
            async with self._session.head(
                url, timeout=_limits(CONNECT_LIMIT_S, CONNECT_LIMIT_S), allow_redirects=False
            ) as answer:
                await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            log.info("vendor_not_warmed", kind=type(error).__name__)


def _limits(connect_limit_s: float, limit_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect_limit_s, sock_read=limit_s)


async def _next_chunk(answer: aiohttp.ClientResponse, limit_s: float) -> bytes:
    try:
        return await answer.content.readany()
    except TimeoutError as error:
        raise ProviderTimeout(f"no audio within {limit_s:g} s") from error
    except (aiohttp.ClientError, OSError) as error:
        raise AudioRejected(f"Failed to read audio: {_why(error)}", retryable=True) from error


async def _refused(
    answer: aiohttp.ClientResponse, request: VendorRequest, refusal: Refusal
) -> ProviderError:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    body = bytearray()
    try:
        async with asyncio.timeout(ERROR_LIMIT_S):
            while len(body) < MAX_ERROR_BYTES and (chunk := await answer.content.readany()):
                body += chunk
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        log.info("refusal_without_reason", kind=type(error).__name__)
    text = bytes(body[:MAX_ERROR_BYTES]).decode(errors="replace")
    return refusal(answer.status, headers, redact(text, request.unspeakable))


def _why(error: Exception) -> str:
    """Say what went wrong without addresses."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "the vendor's name cannot be resolved"
        case aiohttp.ConnectionTimeoutError():
            return "the vendor cannot be reached in time"
        case aiohttp.ClientSSLError():
            return "no secure connection to the vendor"
        case aiohttp.ClientConnectorError():
            return "cannot reach the vendor"
        case aiohttp.ClientPayloadError():
            return "the vendor broke off"
        case _:
            return "the vendor hung up"


@asynccontextmanager
async def open_vendor_http(
    now: Callable[[], float] | None = None,
) -> AsyncGenerator[VendorHttp, None]:
    """Offer connections to a vendor; all of them close with the block.

    Args:
        now: the loop's time, unless a test turns the hands.
    """
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=0, keepalive_timeout=KEPT_S)
    async with (
        aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
            headers={"accept": "*/*"},
        ) as session,
        asyncio.TaskGroup() as tasks,
    ):
        http = VendorHttp(session, tasks, now or asyncio.get_running_loop().time)
        try:
            yield http
        finally:
            http.stop()

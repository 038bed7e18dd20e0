"""One file from an address to the disk: resumed where it broke off, never beyond its known size.

The bytes gather in `NAME.part`; `NAME.part.tag` holds what the server called that version, so that
two versions are never mixed. Whether the bytes are the right ones is for the caller to check.
"""

import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

CHUNK_BYTES = 256 * 1024
READ_TIMEOUT_S = 30.0
"""For a connection, an answer's head, and each read."""
DEADLINE_S = 3600.0
"""For one file, pauses included."""
MAX_REQUESTS = 200
BARREN_REQUESTS = 6
"""In a row that bring no new byte."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0
REFUSALS = frozenset({401, 403, 407})
PASSING = frozenset({408, 425, 429})
"""Answers below 500 that may be others next time."""

Progress = Callable[[int, int | None], None]
"""Bytes here so far, bytes in all if known."""


class FetchFailed(Exception):
    """The file could not be had; the text says why and holds no address."""


class FetchRefused(FetchFailed):
    """The server wants a login, or shows a certificate, that we do not know."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What time it is and how to wait; tests bring their own."""

    now: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep


class Download:
    """The gathering of one file.

    Args:
        url: `http:`, `https:` or `file:`.
        part: where the bytes gather; its folder exists.
        size: bytes that the file has.
        progress: told after each piece.
        clock: of pauses and of the deadline.
    """

    def __init__(
        self, url: str, part: Path, size: int, progress: Progress, clock: Clock | None = None
    ) -> None:
        if urlsplit(url).scheme not in {"http", "https", "file"}:
            raise FetchFailed("its address is of an unknown kind")
        self._url, self._part, self._size, self._progress = url, part, size, progress
        self._tag = part.with_name(f"{part.name}.tag")
        self._clock = clock or Clock()
        self._deadline = self._clock.now() + DEADLINE_S

    def run(self) -> None:
        """Bring the file, going on from what is there already.

        Raises:
            FetchFailed: it kept failing, took too long, or has another size.
            OSError: the disk refuses.
        """
        barren = 0
        for _ in range(MAX_REQUESTS):
            before = self._here()
            if before == self._size:
                return
            try:
                self._request()
            except _Broken as error:
                barren = 0 if self._here() > before else barren + 1
                if barren >= BARREN_REQUESTS or self._clock.now() >= self._deadline:
                    raise FetchFailed(f"it broke off: {error}") from error
                self._clock.wait(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**barren))
        raise FetchFailed("it broke off too often")

    def forget(self) -> None:
        """Throw away what was gathered."""
        self._part.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)

    def _here(self) -> int:
        """Return how many bytes were gathered; more than there can be are thrown away."""
        here = self._part.stat().st_size if self._part.exists() else 0
        if here > self._size:
            self.forget()
            return 0
        return here

    def _request(self) -> None:
        """Ask once for what is lacking and keep what comes."""
        here = self._here()
        request = urllib.request.Request(self._url, headers=self._headers(here))  # noqa: S310 - checked
        try:
            answer = _open(request)
        except _BadRange:
            self.forget()
            raise
        with answer:
            here = self._begin(answer.headers, here, getattr(answer, "status", None))
            with self._part.open("ab") as file:
                for piece in self._pieces(answer, self._size - here):
                    file.write(piece)
                    here += len(piece)
                    self._progress(here, self._size)
        if here < self._size:
            raise _Broken("the connection was closed")

    def _headers(self, here: int) -> dict[str, str]:
        if not here:
            return {}
        tag = self._tag.read_text("utf-8") if self._tag.exists() else ""
        return {"Range": f"bytes={here}-"} | ({"If-Range": tag} if tag else {})

    def _begin(self, headers: Message, here: int, status: int | None) -> int:
        """Return where the answer's bytes belong; start over unless it goes on from `here`."""
        span = headers.get("Content-Range") or ""
        goes_on = status == HTTPStatus.PARTIAL_CONTENT and span.startswith(f"bytes {here}-")
        if status == HTTPStatus.PARTIAL_CONTENT and not goes_on:
            self.forget()
            raise _Broken("the server sent another part than was asked for")
        total = span.rpartition("/")[2] if goes_on else headers.get("Content-Length")
        if total and total.isdecimal() and int(total) != self._size:
            raise FetchFailed(f"it has {total} bytes where {self._size} were expected")
        if goes_on:
            return here
        self.forget()
        if tag := headers.get("ETag") or headers.get("Last-Modified"):
            self._tag.write_text(tag, "utf-8")
        return 0

    def _pieces(self, answer: BinaryIO, wanted: int) -> Iterator[bytes]:
        while piece := _read(answer):
            if len(piece) > wanted:
                raise FetchFailed("it is longer than it should be")
            wanted -= len(piece)
            yield piece
            if self._clock.now() >= self._deadline:
                raise _Broken("too slow")


class _Broken(Exception):
    """This request failed; another may do better."""


class _BadRange(_Broken):
    """What was here already is of another version."""


def _open(request: urllib.request.Request) -> "http.client.HTTPResponse":
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(  # noqa: S310 - checked
            request, timeout=READ_TIMEOUT_S
        )
    except urllib.error.HTTPError as error:
        with error:
            raise _translate(error) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise FetchRefused("the server's certificate is not trusted here") from error
        raise _Broken("no connection") from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _Broken("no answer") from error
    return answer


def _translate(error: urllib.error.HTTPError) -> Exception:
    if error.code in REFUSALS:
        return FetchRefused(f"the server refuses with status {error.code}")
    if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return _BadRange("what was here already is of another version")
    if error.code in PASSING or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _Broken(f"the server answered with status {error.code}")
    return FetchFailed(f"the server answered with status {error.code}")


def _read(answer: BinaryIO) -> bytes:
    """Read the next piece; apart from the disk's errors, which are not the network's."""
    try:
        return answer.read(CHUNK_BYTES)
    except http.client.IncompleteRead as error:
        return error.partial
    except (http.client.HTTPException, OSError) as error:
        raise _Broken("the connection broke") from error

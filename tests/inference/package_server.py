"""A file server on the loopback that can be made to misbehave, and remembers what it was asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import override


class PackageServer(ThreadingHTTPServer):
    """Serves one file, whatever the path.

    Attributes that tests set: `content`, `tag` (its version; "" for none), `ranges` (False:
    ignores Range), `cut_after` (bytes after which each answer breaks off), `statuses` (sent
    first, one each), `lie_about_range`. `asked` holds the headers of every request.
    """

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.tag = '"v1"'
        self.ranges = True
        self.cut_after: int | None = None
        self.statuses: list[int] = []
        self.lie_about_range = False
        self.asked: list[dict[str, str]] = []

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients of these tests hang up as they like."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/some.whl"


class _Handler(BaseHTTPRequestHandler):
    server: PackageServer

    def do_GET(self) -> None:
        server = self.server
        server.asked.append(dict(self.headers))
        if server.statuses:
            self.send_response(server.statuses.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = self._start()
        if start >= len(server.content) and start:
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            told = start + server.lie_about_range
            whole = len(server.content)
            self.send_header("Content-Range", f"bytes {told}-{whole - 1}/{whole}")
        if server.tag:
            self.send_header("ETag", server.tag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if server.cut_after is None else body[: server.cut_after])
        self.close_connection = True

    def _start(self) -> int:
        wanted = self.headers.get("Range", "")
        same = self.headers.get("If-Range", self.server.tag) == self.server.tag
        if not (wanted and same and self.server.ranges):
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(content: bytes) -> Iterator[PackageServer]:
    """Serve `content` until the block ends."""
    with PackageServer(content) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

"""A fake auth service: answers what it is told to, remembers what it was asked."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

ENDLESS_CUT = "…"
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Question:
    """One request that the service got."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def claims(self, key: PublicKeyTypes | None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Verify the token; return its header and its claims, keys in order."""
        assert isinstance(key, RSAPublicKey | EllipticCurvePublicKey)
        header = jwt.get_unverified_header(self.body)
        return header, jwt.decode(self.body, key, [header["alg"]])


@dataclass
class AuthService:
    """Listens on a port of its own. `answer` None: closes the connection without a word."""

    listener: socket.socket
    answer: Mapping[str, Any] | None = None
    questions: list[Question] = field(default_factory=list[Question])

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    def reset(self, answer: Mapping[str, Any] | str | None) -> None:
        """Forget the past and answer like this from now on; a text means: say nothing."""
        self.questions.clear()
        default = {"status": 200, "headers": {}, "body": '{"id":"t"}'}
        self.answer = None if isinstance(answer, str) else (answer or default)

    def run(self) -> None:
        """Serve one connection after the other until the listener closes."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(TIMEOUT_S)
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            if not (piece := connection.recv(65536)):
                return
            received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        split = (line.partition(": ") for line in lines)
        headers = tuple((name.lower(), value) for name, _, value in split)
        while len(body) < int(dict(headers).get("content-length", "0")):
            body += connection.recv(65536)
        method, path, _ = first.split(" ")
        self.questions.append(Question(method, path, headers, body))
        if self.answer is not None:
            connection.sendall(render(self.answer))


def render(answer: Mapping[str, Any]) -> bytes:
    """Return the bytes of an answer; bodies that the recording cut short are made long again."""
    text = str(answer["body"])
    if text.endswith(ENDLESS_CUT):
        text = text[0] + text[1] * 501
    body = b"\xff\xfe" if "\ufffd" in text else text.encode()
    status = int(answer["status"])
    lines = [f"HTTP/1.1 {status} {'Anything' if status != 599 else ''}"]
    lines += [f"{name}: {value}" for name, value in answer["headers"].items()]
    if status not in (204, 304):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + (
        body if status not in (204, 304) else b""
    )


@contextmanager
def open_auth_service() -> Iterator[AuthService]:
    """Provide the service; its thread ends with the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        service = AuthService(listener)
        thread = threading.Thread(target=service.run, name="auth-service")
        thread.start()
        try:
            yield service
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(TIMEOUT_S)

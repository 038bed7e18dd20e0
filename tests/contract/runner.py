"""Sends recorded requests to a real server process and compares what comes back.

A recorded file holds environments (variables, a YAML file, other files) and rows (a request and the
answer that the original gave). `ours` in a row says what must hold for this server:

| `ours` | Checked |
|---|---|
| same | status, the JSON (additive keys are fine), the listed headers |
| status | status, `code` or a snake_case `error`, `allow` as a set, the `mentions` |
| differs | only what `expect` lists |
"""

import base64
import json
import os
import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "recorded"
START_S = 30.0
ANSWER_S = 15.0
LISTENING = re.compile(r"Server listening on .*:(\d+)\s*$")
UPGRADE = (
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", "13"),
)
OUR_NAMES = {"DEEPGRAM_STT_BASE": "DEEPGRAM_WS_URL", "DEEPGRAM_TTS_BASE": "DEEPGRAM_BASE_URL"}
"""Variables that the recorded server knew by another name."""
VALID_BODY = '{"room_name": "demo", "participant_name": "Ann", "participant_identity": "u-1"}'

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Recording:
    """One recorded file."""

    environments: Mapping[str, Any]
    rows: Sequence[Row]


def load_recording(
    name: str, completed: Mapping[str, Mapping[str, str]] | None = None
) -> Recording:
    """Read `recorded/NAME.json`; `completed` adds variables to environments."""
    data = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    environments = data["about"]["environments"]
    for environment, variables in (completed or {}).items():
        environments[environment]["env"] |= variables
    return Recording(environments, data["rows"])


@dataclass(frozen=True)
class Answer:
    """What a server answered; status None: it closed the connection without a word."""

    status: int | None
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body) if self.body else {}
        return value

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


class StartRefused(Exception):
    """The server ended instead of listening."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"exit status {status}: {said}")
        self.status = status
        self.said = said


@dataclass
class ServerProcess:
    """A running `sayna serve`."""

    process: subprocess.Popen[str]
    port: int
    folder: Path

    def stop(self) -> int:
        """Ask it to end and return its exit status."""
        self.process.terminate()
        try:
            self.process.wait(START_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        return self.process.returncode


def start_server(
    environment: Mapping[str, Any], folder: Path, ports: Mapping[str, int]
) -> ServerProcess:
    """Start a server the way a recorded environment says.

    `ports` fills in `<auth>`, `<deepgram>` and the like.

    Raises:
        StartRefused: it ended before it listened.
    """
    for name, text in environment.get("files", {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    fill = {"<tmp>": str(folder), **{f"<{name}>": str(port) for name, port in ports.items()}}
    variables = {
        OUR_NAMES.get(key, key): _fill(text, fill)
        for key, text in environment.get("env", {}).items()
    }
    command = [sys.executable, "-m", "sayna", "serve", "--host", "127.0.0.1", "--port", "0"]
    if "yaml" in environment:
        (folder / "settings.yaml").write_text(_fill(environment["yaml"], fill), encoding="utf-8")
        command += ["-c", str(folder / "settings.yaml")]
    errors = (folder / "stderr.txt").open("w", encoding="utf-8")
    with errors:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**_surroundings(), "PYTHONUNBUFFERED": "1", **variables},
            cwd=folder,
            text=True,
        )
    return ServerProcess(process, _await_port(process, folder), folder)


def _surroundings() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}


def _fill(text: str, values: Mapping[str, str]) -> str:
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text


def _await_port(process: subprocess.Popen[str], folder: Path) -> int:
    """Read the server's output up to the line that names its port."""
    assert process.stdout is not None
    deadline = time.monotonic() + START_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if not selector.select(left):
                break
            line = process.stdout.readline()
            if found := LISTENING.search(line):
                return int(found[1])
            if not line:
                break
    if process.poll() is None and time.monotonic() >= deadline:
        process.kill()
    status = process.wait()
    process.stdout.close()
    raise StartRefused(status, (folder / "stderr.txt").read_text(encoding="utf-8")[-2000:])


@dataclass
class Servers:
    """Servers by environment, started when first needed; only the last few stay up."""

    recording: Recording
    folder: Path
    ports: Mapping[str, int] = field(default_factory=dict[str, int])
    at_once: int = 3
    running: dict[str, ServerProcess] = field(default_factory=dict[str, ServerProcess])

    def get(self, name: str) -> ServerProcess:
        """Return the environment's server.

        Raises:
            StartRefused: it does not start.
        """
        if (server := self.running.pop(name, None)) is None:
            while len(self.running) >= self.at_once:
                self.running.pop(next(iter(self.running))).stop()
            folder = self.folder / name
            folder.mkdir(exist_ok=True)
            server = start_server(self.recording.environments[name], folder, self.ports)
        self.running[name] = server
        return server

    def stop(self) -> None:
        """Stop all that still run."""
        while self.running:
            self.running.popitem()[1].stop()


@contextmanager
def open_servers(
    recording: Recording, folder: Path, ports: Mapping[str, int] | None = None
) -> Iterator[Servers]:
    """Provide the servers of a recording; they end with the block."""
    servers = Servers(recording, folder, ports or {})
    try:
        yield servers
    finally:
        servers.stop()


def body_of(request: Mapping[str, Any]) -> bytes | None:
    """Return a request's body, built by its rule when it is too large to be written down."""
    if "body_base64" in request:
        return base64.b64decode(request["body_base64"])
    if "body" in request:
        return str(request["body"]).encode()
    if "body_rule" in request:
        return build_body(str(request["body_rule"]))
    return None


def build_body(rule: str) -> bytes:
    """Build a body by a rule in words."""
    if found := re.fullmatch(r'\{"x":<(\d+) times \[><\1 times \]>,<rest of .*>', rule):
        deep = int(found[1])
        return f'{{"x":{"[" * deep}{"]" * deep},{VALID_BODY[1:]}'.encode()
    if found := re.fullmatch(r"valid token body padded to exactly (\d+) bytes", rule):
        return VALID_BODY.encode().ljust(int(found[1]))
    if found := re.fullmatch(r"(\d+) times (.)", rule):
        return found[2].encode() * int(found[1])
    if found := re.fullmatch(r"(\d+) chunks of (\d+) times (.), then the end", rule):
        chunk = b"%x\r\n%b\r\n" % (int(found[2]), found[3].encode() * int(found[2]))
        return chunk * int(found[1]) + b"0\r\n\r\n"
    if found := re.fullmatch(r"valid JSON object of (\d+) bytes", rule):
        return b'{"a":"%b"}' % (b"x" * (int(found[1]) - 8))
    raise ValueError(f"no such rule: {rule}")


def render_request(request: Mapping[str, Any], port: int) -> bytes:
    """Return the bytes of a request: path undecoded, headers in order."""
    headers = [(str(name), str(value)) for name, value in request.get("headers", [])]
    if ("(upgrade headers)", "") in headers:
        headers.remove(("(upgrade headers)", ""))
        headers += UPGRADE
    given = {name.lower() for name, _ in headers}
    body = body_of(request)
    if "connection" not in given:
        headers.append(("connection", "close"))
    if body is not None and not given & {"content-length", "transfer-encoding"}:
        headers.append(("content-length", str(len(body))))
    path = str(request["path"]).replace("<port>", str(port))
    lines = [f"{request['method']} {path} HTTP/1.1", f"host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def send(request: Mapping[str, Any], port: int) -> Answer:
    """Send a request on a connection of its own and read the answer to its end."""
    with socket.create_connection(("127.0.0.1", port), ANSWER_S) as connection:
        connection.settimeout(ANSWER_S)
        with suppress(BrokenPipeError, ConnectionResetError):  # refusing the rest is an answer
            connection.sendall(render_request(request, port))
        return read_answer(connection, method=str(request["method"]))


def read_answer(connection: socket.socket, *, method: str, received: bytes = b"") -> Answer:
    """Read one answer; the end of the connection ends it too."""
    while b"\r\n\r\n" not in received:
        if not (piece := _receive(connection)):
            return Answer(None)
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [(n.strip().lower(), v.strip()) for n, _, v in (ln.partition(":") for ln in lines)]
    status = int(first.split(" ")[1])
    length = int(next((value for name, value in headers if name == "content-length"), "0"))
    expected = 0 if method == "HEAD" or status == 101 else length
    if status == 100:
        return read_answer(connection, method=method, received=body)
    while len(body) < expected and (piece := _receive(connection)):
        body += piece
    return Answer(status, headers, body)


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def compare(row: Row, answer: Answer) -> None:
    """Hold an answer against what its row demands."""
    match row["ours"]:
        case "same":
            _compare_same(row["answer"], answer)
        case "status":
            _compare_status(row["answer"], answer)
        case "differs":
            _compare_expected(row["expect"], answer)
        case other:
            raise ValueError(f"no such demand: {other}")
    for text in row.get("mentions", []):
        assert text.lower() in answer.body.decode().lower()


def _compare_same(recorded: Mapping[str, Any], answer: Answer) -> None:
    assert answer.status == recorded["status"], answer
    if "json" in recorded:
        assert contains(answer.json, recorded["json"]), answer.body
        assert answer.header("content-type") == "application/json"
    for name, value in (recorded.get("headers") or {}).items():
        assert answer.header(name) == value, name


def _compare_status(recorded: Mapping[str, Any], answer: Answer) -> None:
    assert answer.status == recorded["status"], answer
    body = recorded.get("json") or {}
    error = str(body.get("error", ""))
    if "code" in body:
        assert answer.json["code"] == body["code"]
    elif re.fullmatch(r"[a-z]+(_[a-z]+)*", error):
        assert answer.json["error"] == error
        assert answer.json["message"]
    elif answer.body:
        assert isinstance(answer.json["error"], str)
    if "allow" in (recorded.get("headers") or {}):
        allowed = (answer.header("allow") or "").replace(" ", "").split(",")
        assert set(allowed) == set(recorded["headers"]["allow"].split(","))


def _compare_expected(expected: Mapping[str, Any], answer: Answer) -> None:
    for key, wanted in expected.items():
        values = wanted if isinstance(wanted, list) else [wanted]
        match key:
            case "status":
                assert answer.status in values, answer
            case "code" | "error":
                assert answer.json[key] in values
            case "json":
                assert contains(answer.json, wanted)
            case _:  # `note` is for humans; the service's side is compared by its own test
                assert key in {"note", "service_got", "startup"}


def contains(ours: object, theirs: object) -> bool:
    """Tell whether a JSON value says all that another one says; lists of hooks in any order."""
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and all(
            key in ours and contains(ours[key], value) for key, value in theirs.items()
        )
    if isinstance(theirs, list):
        if not isinstance(ours, list) or len(ours) != len(theirs):
            return False
        return all(any(contains(one, other) for one in ours) for other in theirs)
    return bool(ours == theirs) and type(ours) is type(theirs)

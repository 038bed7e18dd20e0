"""Starts of the original server, held by ours: does it serve, and what does it say.

Every row that settings decide is loaded in this process. A spread of rows, and all those that
need a socket, a key or the command line, also start the real command.
"""

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sayna.auth.opening import check_signing_key
from sayna.errors import SettingsInvalid
from sayna.settings.load import load_settings
from tests.running import clean_environment

START_LIMIT_S = 30.0
STOP_LIMIT_S = 20.0
RECORDED = Path(__file__).parent / "recorded" / "startup.json"
ROWS: list[dict[str, Any]] = json.loads(RECORDED.read_text(encoding="utf-8"))["rows"]
OUR_LINES = ("Loading configuration from ", "Starting server on ", "Server listening on ")

NEEDS_A_SOCKET = {"server.host-bad-ip", "server.host-bad-name", "server.host-foreign"}
LISTENS_TO_THE_WORLD = {"server.host-blank"}
WHOLE_GROUPS = {"server", "cli", "dotenv", "cache", "providers"}
SPREAD = 7


def decided_by_settings(row: dict[str, Any]) -> bool:
    return row["group"] != "cli" and row["id"] not in NEEDS_A_SOCKET


def worth_a_process(index: int, row: dict[str, Any]) -> bool:
    if row["id"] in LISTENS_TO_THE_WORLD:
        return False
    keyed = any("key" in name for name in row["request"].get("files", {}))
    return keyed or row["group"] in WHOLE_GROUPS or index % SPREAD == 0


def by_id(rows: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=[row["id"] for row in rows])


@dataclass
class Scene:
    """A row made real: a folder with its files, an environment, arguments."""

    folder: Path
    row: dict[str, Any]
    port: int
    environ: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        request = self.row["request"]
        self.cwd.mkdir()
        for name, text in request.get("files", {}).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(key_for(self.row["id"]) if text == "<key file>" else self.fill(text))
        if "yaml" in request:
            (self.folder / "c.yaml").write_text(self.fill(request["yaml"]), encoding="utf-8")
        given = {"HOST": "127.0.0.1", "PORT": str(self.port), **request["env"]}
        self.environ = {k: self.fill(text) for k, text in given.items() if text is not None}

    @property
    def cwd(self) -> Path:
        return self.folder / "cwd"

    @property
    def config(self) -> Path | None:
        return self.folder / "c.yaml" if "yaml" in self.row["request"] else None

    @property
    def arguments(self) -> list[str]:
        given = [self.fill(word) for word in self.row["request"].get("args", [])]
        return given if self.config is None else ["-c", str(self.config), *given]

    def fill(self, text: str) -> str:
        return text.replace("<tmp>", str(self.folder)).replace("<port>", str(self.port))

    def expected_starts(self) -> list[bool]:
        starts = self._expected().get("starts", self.row["answer"]["starts"])
        return starts if isinstance(starts, list) else [starts]

    def expected_exits(self) -> list[int]:
        exits = self._expected().get("exit", 1)
        return exits if isinstance(exits, list) else [exits]

    def expected_lines(self) -> list[str]:
        """Return what was printed and is ours to print too."""
        if self.row["ours"] != "same":
            return []
        said = self.row["answer"].get("stdout", "").splitlines()
        return [self.fill(line) for line in said if line.startswith(OUR_LINES)]

    def _expected(self) -> dict[str, Any]:
        if self.row["ours"] == "differs":
            expected: dict[str, Any] = self.row["expect"]
            # words only: the usual texts of a command line, and a status that says all is well
            return {"starts": False, "exit": 0} if set(expected) == {"note"} else expected
        answer: dict[str, Any] = self.row["answer"]
        return answer


def key_for(row_id: str) -> str:
    """Make a key file of the kind that a row is named after."""
    kind = row_id.rsplit("-", 1)[-1]
    if kind == "pub":
        public = rsa.generate_private_key(65537, 2048).public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    form = PrivateFormat.TraditionalOpenSSL if kind in ("rsa1", "sec1") else PrivateFormat.PKCS8
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
    match kind:
        case "sec1":
            key = ec.generate_private_key(ec.SECP256R1())
        case "ec384":
            key = ec.generate_private_key(ec.SECP384R1())
        case "ed":
            key = ed25519.Ed25519PrivateKey.generate()
        case _:
            key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


@by_id([row for row in ROWS if decided_by_settings(row)])
def test_settings_decide_alike(row: dict[str, Any], tmp_path: Path) -> None:
    scene = Scene(tmp_path, row, port=39_999)
    problems: tuple[str, ...] = ()
    try:
        loaded = load_settings(config=scene.config, environ=scene.environ, cwd=scene.cwd)
        check_signing_key(loaded.settings.auth)
    except SettingsInvalid as refusal:
        problems = refusal.problems
    assert (not problems) in scene.expected_starts(), problems
    assert not any("\n" in line for line in problems)


@pytest.mark.slow
@by_id([row for index, row in enumerate(ROWS) if worth_a_process(index, row)])
def test_the_command_starts_alike(row: dict[str, Any], tmp_path: Path) -> None:
    scene = Scene(tmp_path, row, port=free_port())
    seen = run(scene)
    assert seen.starts in scene.expected_starts(), seen
    if not seen.starts:
        assert seen.exit in scene.expected_exits(), seen
    ours = [line for line in seen.stdout.splitlines() if line.startswith(OUR_LINES)]
    if lines := scene.expected_lines():
        assert ours == lines
    assert "Traceback" not in seen.stderr
    if seen.exit == 1:
        assert any(line.startswith("Error: ") for line in seen.stderr.splitlines())


@dataclass(frozen=True)
class Seen:
    """What a process did."""

    starts: bool
    exit: int
    stdout: str
    stderr: str


def run(scene: Scene) -> Seen:
    """Start the command and watch it until it listens or ends; end it in any case."""
    said = scene.folder / "stderr.txt"
    with said.open("w") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "sayna", *scene.arguments],
            cwd=scene.cwd,
            env=clean_environment(scene.environ),
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        assert process.stdout is not None
        stdout, starts = b"", False
        try:
            for chunk in chunks(process.stdout.fileno()):
                stdout += chunk
                if starts := any(
                    line.startswith(b"Server listening on ") for line in stdout.splitlines()
                ):
                    break
            if starts:
                process.terminate()
            status = process.wait(STOP_LIMIT_S)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
    return Seen(starts, status, stdout.decode(), said.read_text())


def chunks(descriptor: int) -> Iterator[bytes]:
    """Yield what a process says, as it says it, until it falls silent for good."""
    deadline = time.monotonic() + START_LIMIT_S
    with selectors.DefaultSelector() as ready:
        ready.register(descriptor, selectors.EVENT_READ)
        while True:
            assert ready.select(deadline - time.monotonic()), "neither listens nor ends"
            if not (chunk := os.read(descriptor, 65536)):
                return
            yield chunk


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

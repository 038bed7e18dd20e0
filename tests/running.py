"""A real server process for tests: the installed command, a free port, nothing inherited."""

import os
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_LIMIT_S = 30.0
STOP_LIMIT_S = 20.0
LISTENING = re.compile(r"Server listening on (?P<host>\S+):(?P<port>\d+)")


@dataclass(frozen=True)
class RunningServer:
    """One server process that has said where it listens."""

    process: "subprocess.Popen[str]"
    host: str
    port: int

    @property
    def url(self) -> str:
        """`http://host:port`, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where a WebSocket client connects."""
        return f"ws://{self.host}:{self.port}/ws"


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Keep what a process needs to start and nothing that could be a setting of ours."""
    needed = ("PATH", "PYTHONPATH", "HOME", "TMPDIR")
    kept = {name: os.environ[name] for name in needed if name in os.environ}
    return kept | {"OPENBLAS_NUM_THREADS": "1"} | dict(extra)


@contextmanager
def running_server(
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    host: str = "127.0.0.1",
) -> Generator[RunningServer, None, None]:
    """Start `sayna serve` in `folder`, wait until it listens, stop it with SIGTERM.

    Raises:
        AssertionError: it did not start in time; the text holds what it said.
    """
    said = folder / "stderr.txt"
    with said.open("w") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "sayna", "serve", "--host", host, "--port", "0", *arguments],
            cwd=folder,
            env=clean_environment(environment or {}),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        try:
            port = wait_until_listening(process, said)
            yield RunningServer(process, host, port)
        finally:
            process.terminate()
            try:
                process.wait(STOP_LIMIT_S)
            finally:
                process.kill()
                process.wait()
                if process.stdout:
                    process.stdout.close()


def wait_until_listening(process: "subprocess.Popen[str]", said: Path) -> int:
    """Read the process's words until it names its port."""
    assert process.stdout is not None
    deadline = time.monotonic() + START_LIMIT_S
    heard: list[str] = []
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left_s := deadline - time.monotonic()) > 0 and selector.select(left_s):
            line = process.stdout.readline()
            if not line:
                break
            heard.append(line)
            if match := LISTENING.search(line):
                return int(match["port"])
    raise AssertionError(f"the server did not start: {''.join(heard)}{said.read_text()}")

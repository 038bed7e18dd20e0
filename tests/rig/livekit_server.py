"""The real livekit-server for tests: one node, nothing but 127.0.0.1, gone with its block."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from sayna.settings.tree import LiveKit
from tests.parts import need

START_LIMIT_S = 30.0
STOP_LIMIT_S = 20.0
ATTEMPTS = 5
POLL_S = 0.02
KEY = "rig-key"
SECRET = "rig-secret-0123456789abcdef-0123456789abcdef"  # noqa: S105 - of a server that ends with its test
CONFIG = """\
port: {port}
bind_addresses: ["127.0.0.1"]
log_level: info
rtc:
  tcp_port: 0
  udp_port: {udp_port}
  use_external_ip: false
  node_ip: 127.0.0.1
  enable_loopback_candidate: true
  stun_servers: []
  interfaces:
    includes: [lo]
keys:
  {key}: {secret}
room:
  empty_timeout: 30
  departure_timeout: 5
  enable_remote_unmute: {remote_unmute}
"""
"""`tcp_port` other than 0 would listen on every interface."""


@dataclass(frozen=True)
class LiveKitProcess:
    """A livekit-server that answers."""

    port: int
    key: str = KEY
    secret: str = SECRET

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def settings(self) -> LiveKit:
        """What a Sayna that uses it is told."""
        return LiveKit(
            url=self.ws_url,
            public_url=self.ws_url,
            api_key=SecretStr(self.key),
            api_secret=SecretStr(self.secret),
        )


@contextmanager
def running_livekit(folder: Path, *, remote_unmute: bool = False) -> Iterator[LiveKitProcess]:
    """Provide a server; other programs may take its ports before it does, so it gets some tries."""
    program = need("livekit-server")
    for _ in range(ATTEMPTS):
        port, udp_port = free_ports()
        config = folder / "livekit.yaml"
        words = {"port": port, "udp_port": udp_port, "key": KEY, "secret": SECRET}
        config.write_text(CONFIG.format(**words, remote_unmute=str(remote_unmute).lower()))
        with (folder / "livekit.log").open("wb") as said:
            process = subprocess.Popen(  # noqa: S603 - our own words
                [program, "--config", str(config)], stdout=said, stderr=said, cwd=folder
            )
        try:
            if await_answer(process, port):
                yield LiveKitProcess(port)
                return
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_LIMIT_S)
            process.kill()
            process.wait()
    raise AssertionError((folder / "livekit.log").read_text(errors="replace")[-2000:])


def free_ports() -> tuple[int, int]:
    """Return a TCP and a UDP port that nobody has at this moment."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        tcp.bind(("127.0.0.1", 0))
        udp.bind(("127.0.0.1", 0))
        return tcp.getsockname()[1], udp.getsockname()[1]


def await_answer(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the server answers; False: it ended instead."""
    deadline = time.monotonic() + START_LIMIT_S
    while process.poll() is None:
        assert time.monotonic() < deadline, "livekit-server neither answers nor ends"
        with (
            suppress(urllib.error.URLError, ConnectionError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer,
        ):
            return bool(answer.status == 200)
        time.sleep(POLL_S)
    return False

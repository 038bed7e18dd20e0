"""What the command-line tests share."""

import socket

import pytest


@pytest.fixture
def unused_tcp_port() -> int:
    """Return a loopback port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

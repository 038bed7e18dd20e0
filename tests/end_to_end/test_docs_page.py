"""/docs in a real browser that can reach nothing but our server."""

import subprocess
from pathlib import Path

import pytest

from tests.parts import need
from tests.running import running_server

pytestmark = pytest.mark.slow

OFFLINE = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


def test_the_docs_show_every_route_in_a_browser_without_a_network(tmp_path: Path) -> None:
    chromium = need("chromium")
    with running_server(tmp_path) as server:
        page = subprocess.run(  # noqa: S603 - our own words
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                f"--host-resolver-rules={OFFLINE}",
                f"--user-data-dir={tmp_path / 'profile'}",
                "--virtual-time-budget=10000",
                "--dump-dom",
                f"{server.url}/docs",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
    for route in ("/speak", "/voices", "/livekit/token", "/sip/hooks"):
        assert f'data-path="{route}"' in page

"""The doctor's own server starts, says why when it does not, and leaves nothing behind."""

import asyncio
import os
from pathlib import Path

import pytest

from sayna.cli import own_server
from sayna.cli.gateway import open_gateway
from sayna.cli.own_server import OwnServerFailed, open_own_server

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PORT", raising=False)


async def test_it_serves_on_loopback_and_stops_with_the_block() -> None:
    async with open_own_server(None) as url, open_gateway(url, None) as gateway:
        assert url.startswith("http://127.0.0.1:")
        assert await gateway.get_json("/") == {"status": "OK"}
    port = int(url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_the_settings_file_is_handed_on(tmp_path: Path) -> None:
    file = tmp_path / "sayna.yaml"
    file.write_text("auth: {required: true, api_secret: hush}\n")
    async with open_own_server(file) as url, open_gateway(url, None) as gateway:
        assert await gateway.status("/voices") == 401


async def test_a_start_that_fails_tells_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FORMAT", "runes")
    with pytest.raises(ExceptionGroup) as failed:
        async with open_own_server(None):
            pass
    (failure,) = failed.value.exceptions
    assert isinstance(failure, OwnServerFailed)
    assert "LOG_FORMAT" in str(failure)


async def test_a_start_that_hangs_is_given_up_and_its_process_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "hang"
    program.write_text("#!/bin/sh\necho $$ > pid\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr("sayna.cli.own_server.sys.executable", str(program))
    monkeypatch.setattr(own_server, "START_S", 0.3)
    with pytest.raises(ExceptionGroup) as failed:
        async with open_own_server(None):
            pass
    assert "does not listen" in str(failed.value.exceptions[0])
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)

"""`make emulators`: every vendor by hand."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import aiohttp
import pytest

from tests.emulators.__main__ import main, parse_arguments, serving

LIMIT_S = 30


def test_help_names_the_choices(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("--port", "--voice", "--speed", "--say", "/_ctl/rules"))


def test_a_wrong_choice_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--voice", "opera"])
    assert ended.value.code == 2
    assert "opera" in capsys.readouterr().err


async def test_the_environment_leads_to_a_server() -> None:
    chosen = parse_arguments(["--port", "0", "--voice", "hum", "--speed", "0", "--say", "hello"])
    async with serving(chosen) as environment, aiohttp.ClientSession() as http:
        assert set(environment) == {"DEEPGRAM_API_KEY", "DEEPGRAM_BASE_URL", "DEEPGRAM_WS_URL"}
        headers = {"Authorization": f"Token {environment['DEEPGRAM_API_KEY']}"}
        models = environment["DEEPGRAM_BASE_URL"] + "/v1/models"
        async with http.get(models, headers=headers) as answer:
            assert answer.status == 200
        listen = environment["DEEPGRAM_WS_URL"] + "/v1/listen?endpointing=300"
        async with http.ws_connect(listen, headers=headers) as socket:
            await socket.send_bytes(b"RIFF" + bytes(64_000))
            assert "hello" in await socket.receive_str()


@contextmanager
def _running() -> "Generator[subprocess.Popen[str], None, None]":
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.emulators", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        with process:
            yield process
    finally:
        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(number: signal.Signals) -> None:
    with _running() as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines[0] == "export DEEPGRAM_API_KEY=test-key\n"
        assert lines[1].startswith("export DEEPGRAM_BASE_URL=http://127.0.0.1:")
        process.send_signal(number)
        _, said = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, said) == (0, "")


@pytest.mark.slow
def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with _running() as first:
        assert first.stdout
        first.stdout.readline()
        port = first.stdout.readline().strip().rpartition(":")[2]
        second = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "tests.emulators", "--port", port],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        first.terminate()
    assert second.returncode == 1
    assert second.stderr.startswith("cannot listen: ")
    assert second.stderr.count("\n") == 1

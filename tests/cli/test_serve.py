"""`sayna serve` says where it listens and what is on, or refuses to start in plain words."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.running import clean_environment, running_server

LIMIT_S = 30


def serve(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a start that is expected to be refused."""
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "sayna", *arguments],
        cwd=folder,
        env=clean_environment(environment or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


def status_of(url: str) -> int:
    with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:  # noqa: S310 - our own server
        status: int = answer.status
        return status


def test_unsound_settings_are_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(env={"PORT": "abc"})
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "PORT" in result.stderr


def test_a_settings_file_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    told = run("-c", "folder")
    assert told.exit_code == 1
    assert "Is a directory" in told.stderr
    for arguments in (["-c", "none.yaml"], ["--config=none.yaml"], ["serve", "-c", "none.yaml"]):
        result = run(*arguments)
        assert result.exit_code == 1
        assert result.stdout == "Loading configuration from none.yaml\n"
        assert "none.yaml" in result.stderr


@pytest.mark.slow
def test_an_address_that_is_taken_or_foreign_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        taken = serve(tmp_path, "serve", "--host", "127.0.0.1", "--port", port)
    foreign = serve(tmp_path, environment={"HOST": "192.0.2.1", "PORT": "0"})
    for done in (taken, foreign):
        assert done.returncode == 1
        assert done.stdout.startswith("Starting server on ")
        assert "listening" not in done.stdout
        assert done.stderr.splitlines()[-1].startswith("Error: ")
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_start_says_where_it_listens_and_what_is_on(tmp_path: Path) -> None:
    (tmp_path / "sayna.yaml").write_text("auth: {required: true, api_secret: hush-hush}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "sayna", "-c", "sayna.yaml"],
        cwd=tmp_path,
        env=clean_environment({"HOST": "127.0.0.1", "PORT": "0"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip() for _ in range(10)]
        port = int(lines[2].rpartition(":")[2])
        assert status_of(f"http://127.0.0.1:{port}/") == 200
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
        process.wait()
    assert lines[:3] == [
        "Loading configuration from sayna.yaml",
        "Starting server on 127.0.0.1:0",
        f"Server listening on 127.0.0.1:{port}",
    ]
    assert port > 0
    assert [line.split()[0] for line in lines[3:]] == [
        "auth",
        "providers",
        "livekit",
        "sip",
        "recording",
        "cache",
        "models",
    ]
    assert "hush" not in "".join(lines) + out + err


@pytest.mark.slow
def test_what_is_logged_without_a_terminal_is_json(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        assert status_of(f"{server.url}/voices?api_key=hush") == 200
    lines = (tmp_path / "stderr.txt").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert any(event["event"] == "request" and event["path"] == "/voices" for event in events)
    assert "hush" not in "".join(lines)


@pytest.mark.slow
def test_the_log_level_of_the_command_line_wins(tmp_path: Path) -> None:
    environment = {"LOG_LEVEL": "debug"}
    arguments = ["--log-level", "error"]
    with running_server(tmp_path, environment=environment, arguments=arguments) as server:
        assert status_of(server.url) == 200
    assert (tmp_path / "stderr.txt").read_text() == ""


@pytest.mark.slow
def test_what_was_spoken_is_heard_through_a_real_server(tmp_path: Path) -> None:
    sentence = "book a table for two people"
    with running_server(tmp_path) as server:
        file = str(tmp_path / "a.wav")
        spoken = run("speak", sentence, "-o", file, "--url", server.url, "--rate", "16000")
        assert spoken.exit_code == 0, spoken.output
        heard = run("listen", file, "--url", server.url, "--model", "grammar:demo")
        assert heard.exit_code == 0, heard.output
        assert heard.stdout == f"{sentence}\n"
        refused = run("listen", file, "--url", server.url, "--model", "grammar:none")
    assert refused.exit_code == 1
    assert "grammars" in refused.stderr

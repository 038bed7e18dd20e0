"""The command line of the measurements."""

import json
import math
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import servers
from tools.parts import PythonPart


def test_without_a_name_everything_is_measured() -> None:
    chosen, names, _ = command.parse([])
    assert chosen.name is None
    assert names == list(command.MEASUREMENTS)


@pytest.mark.parametrize("name", command.MEASUREMENTS)
def test_each_measurement_stands_alone_and_has_a_quick_form(name: str) -> None:
    _, names, parser = command.parse([name])
    assert names == [name]
    quick = parser.parse_args([name, *command.MEASUREMENTS[name].quick])
    assert vars(quick) != vars(parser.parse_args([name]))


def test_many_sessions_are_chosen_as_the_documents_say() -> None:
    words = ["many_sessions", "--sessions", "300", "--seconds", "10", "--only", "ours"]
    chosen, _, _ = command.parse(words)
    assert (chosen.sessions, chosen.seconds, chosen.only) == (300, 10.0, ["ours"])


def test_a_relay_is_measured_with_a_vendor_behind_it() -> None:
    chosen, _, _ = command.parse(["many_sessions", "--provider", "deepgram"])
    assert chosen.provider == "deepgram"
    with servers.relaying("counting") as settings:
        assert settings == {}


def test_figures_are_kept_with_the_command_and_how_busy_the_machine_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    measured = command.MEASUREMENTS["start"]._replace(
        run=lambda chosen: {"runs": chosen.runs, "p99_ms": math.nan}, loads_server=False
    )
    monkeypatch.setitem(command.MEASUREMENTS, "start", measured)
    monkeypatch.setattr(command, "allow_many_files", lambda: None)
    path = tmp_path / "figures" / "one.json"
    monkeypatch.setattr("sys.argv", ["bench", "--output", str(path), "start", "--runs", "2"])
    assert command.main() == 0
    kept = json.loads(path.read_text())
    assert kept["start"] == {"runs": 2, "p99_ms": None}
    assert kept["command"] == f"python -m bench --output {path} start --runs 2"
    assert len(kept["load_average_before"]) == 3


def test_a_peer_that_is_not_installed_is_named_with_its_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PythonPart, "present", False)
    assert "make parts-bench" in (servers.missing("pipecat") or "")
    assert servers.missing("aiohttp") is None

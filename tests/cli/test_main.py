"""`sayna` itself: its commands, its help, its version, and what it refuses."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from sayna import __version__
from sayna.cli import COMMANDS, main
from tests.cli.running import run


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_command_and_has_examples(flag: str) -> None:
    result = run(flag)
    assert result.exit_code == 0
    assert "Examples:" in result.output
    for name, summary in COMMANDS.items():
        assert f"  {name} " in result.output
        assert summary in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert f"sayna {name}" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_of_a_command_is_its_own(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    own = command.get_short_help_str(limit=100).rstrip(".")
    assert COMMANDS[name].startswith(own)


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_printed(flag: str) -> None:
    assert run(flag).output == f"sayna {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["zzz"], ["--zzz"], ["-c"], ["check", "--zzz"], ["init", "x"], ["serve", "x"]]
)
def test_a_command_line_that_makes_no_sense_ends_with_status_2(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert "Traceback" not in result.output


def test_a_settings_file_before_the_command_counts_for_the_command(tmp_path: Path) -> None:
    file = tmp_path / "sayna.yaml"
    file.write_text("server: {port: 4567}\n")
    assert "server.port = 4567" in run("-c", str(file), "check").output


def test_a_commands_own_settings_file_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("server: {port: 4567}\n")
    second.write_text("server: {port: 5678}\n")
    assert "server.port = 5678" in run("-c", str(first), "check", "-c", str(second)).output


def test_help_imports_neither_settings_nor_the_web_framework() -> None:
    code = (
        "import sys; from sayna.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'pydantic', 'fastapi', 'aiohttp', 'uvicorn', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.endswith("[]\n")

"""`sayna openapi` prints the document that a server serves."""

import json
from pathlib import Path

import yaml
from click.testing import Result

from tests.cli.running import run


def document_of(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    found: dict[str, object] = yaml.safe_load(result.stdout)
    return found


def test_yaml_is_the_default_and_json_says_the_same() -> None:
    plain = run("openapi")
    assert plain.stdout.startswith("openapi: 3.1")
    as_json = run("openapi", "-f", "json")
    assert json.loads(as_json.stdout) == document_of(plain)


def test_it_has_the_routes() -> None:
    paths = document_of(run("openapi"))["paths"]
    assert isinstance(paths, dict)
    assert {"/", "/voices", "/speak", "/ws", "/sip/hooks"} <= set(paths)


def test_it_needs_no_sound_settings() -> None:
    assert run("openapi", env={"PORT": "abc"}).exit_code == 0


def test_a_file_gets_the_document_and_stdout_its_path(tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    result = run("openapi", "--format", "json", "--output", str(file))
    assert result.stdout == f"OpenAPI document written to {file}\n"
    assert json.loads(file.read_text()) == json.loads(run("openapi", "-f", "json").stdout)


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    result = run("openapi", "-o", str(tmp_path / "none" / "api.yaml"))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")


def test_another_format_is_refused() -> None:
    assert run("openapi", "-f", "xml").exit_code == 2

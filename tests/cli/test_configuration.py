"""A command gets sound settings, or every fault is told."""

from pathlib import Path

import pytest

from sayna.cli.configuration import load_or_exit, models_folder


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("PORT", "HOST", "CACHE_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_options_win_over_environment_over_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sayna.yaml"
    file.write_text("server: {host: 127.0.0.1, port: 1111}\nlogging: {level: error}\n")
    monkeypatch.setenv("PORT", "2222")
    monkeypatch.setenv("LOG_LEVEL", "debug")
    settings = load_or_exit(file, {"logging.level": "warning"}).settings
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 2222)
    assert settings.logging.level == "warning"


def test_every_fault_is_a_line_and_the_status_is_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", "abc")
    monkeypatch.setenv("AUTH_REQUIRED", "perhaps")
    with pytest.raises(SystemExit) as left:
        load_or_exit(None)
    assert left.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("Error: ") for line in lines)
    assert any("PORT" in line for line in lines)
    assert any("AUTH_REQUIRED" in line for line in lines)


def test_models_lie_below_the_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    assert models_folder(load_or_exit(None).settings) is None
    monkeypatch.setenv("CACHE_PATH", "/var/lib/sayna")
    assert models_folder(load_or_exit(None).settings) == Path("/var/lib/sayna/models")

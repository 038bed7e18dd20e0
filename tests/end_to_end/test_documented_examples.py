"""What the documentation shows runs as it stands."""

import asyncio
import re
import subprocess
import sys
import tomllib
import wave
from collections.abc import Generator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from sayna.errors import ProviderMisconfigured
from sayna.providers.registry import Registry
from sayna.session.synthesis import synthesize
from sayna.settings.tree import Settings
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from tests.emulators.deepgram import open_deepgram
from tests.running import RunningServer, clean_environment, running_server

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
QUICKSTART = ROOT / "docs" / "start" / "quickstart.md"
OWN_PROVIDER = ROOT / "docs" / "howto" / "own-provider.md"
LOCAL_ENGINES = ROOT / "docs" / "howto" / "local-engines.md"
MORSE = ROOT / "examples" / "morse_provider"
LIMIT_S = 60


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a page, in order."""
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return fence.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [README, QUICKSTART], ids=["readme", "quickstart"])
def test_a_page_shows_the_python_example_as_it_is(page: Path) -> None:
    assert blocks(page, "python") == [(ROOT / "examples" / "voice_loop.py").read_text()]


def test_the_provider_page_shows_the_example_as_it_is() -> None:
    assert blocks(OWN_PROVIDER, "python") == [(MORSE / "morse_provider.py").read_text()]
    assert blocks(OWN_PROVIDER, "toml") == [(MORSE / "pyproject.toml").read_text()]


def seconds_of(sound: Path) -> float:
    """Return how long a WAV file says that it lasts."""
    with wave.open(str(sound), "rb") as file:
        return file.getnframes() / file.getframerate()


@pytest.fixture
def morse_registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Install the example as pip would: its folder is importable, its entry point known."""
    monkeypatch.syspath_prepend(str(MORSE))
    project = tomllib.loads((MORSE / "pyproject.toml").read_text())["project"]
    ((name, target),) = project["entry-points"]["sayna.providers"].items()
    return Registry(Settings(), {name: EntryPoint(name, target, "sayna.providers")})


async def test_the_example_provider_speaks_when_asked_by_name(morse_registry: Registry) -> None:
    async with asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(morse_registry.keep())
        low = SynthesizerOptions("morse", audio_format="linear16", sample_rate=16_000)
        wav = SynthesizerOptions("morse", audio_format="wav", sample_rate=8_000, speaking_rate=2)
        sos = await synthesize(morse_registry, low, "sos")
        fast = await synthesize(morse_registry, wav, "SOS!")
        provider = await morse_registry.get("morse")
        assert [voice.id for voice in await provider.voices()] == ["low", "high"]
        with pytest.raises(ProviderMisconfigured, match="cannot listen"):
            async with provider.open_recognizer(RecognizerOptions("morse")):
                pass
        with pytest.raises(ProviderMisconfigured, match="audio_format"):
            async with provider.open_synthesizer(SynthesizerOptions("morse", audio_format="mp3")):
                pass
        keeper.cancel()
    # Nine signs, three of them long, a pause after each, two more after each letter: 30 dots.
    assert len(sos.audio) == pytest.approx(30 * 0.06 * 16_000 * 2, rel=0.01)
    assert fast.audio.startswith(b"RIFF")
    assert len(fast.audio) < len(sos.audio) / 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer, None, None]:
    with running_server(tmp_path_factory.mktemp("server")) as server:
        yield server


def run_shell(script: str, server: RunningServer, folder: Path) -> str:
    """Run a block of the quickstart against this server instead of the documented address."""
    script = script.replace("http://127.0.0.1:3001", server.url)
    script = script.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    script = script.replace("examples/", f"{ROOT / 'examples'}/")
    done = subprocess.run(  # noqa: S603 - our own documentation
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=clean_environment({"SAYNA_URL": server.url}),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_commands_of_the_quickstart_run_as_written(
    server: RunningServer, tmp_path: Path
) -> None:
    make, there, nested, flat, speak, listen, _python = blocks(QUICKSTART, "sh")
    assert "make run" in make
    assert '{"status":"OK"}' in run_shell(there, server, tmp_path)
    run_shell(nested, server, tmp_path)
    assert seconds_of(tmp_path / "hello.wav") == pytest.approx(1.2, abs=0.5)
    assert '"metadata"' in run_shell(flat.replace(" | head -c 300", ""), server, tmp_path)
    run_shell(speak, server, tmp_path)
    assert run_shell(listen, server, tmp_path) == "what is the weather like today\n"


@pytest.mark.slow
def test_the_commands_of_the_readme_run_as_written(server: RunningServer, tmp_path: Path) -> None:
    make, commands, _vendor = blocks(README, "sh")
    assert "make run" in make
    said = run_shell(commands.replace(" | head -c 300", ""), server, tmp_path)
    assert seconds_of(tmp_path / "hello.wav") == pytest.approx(1.2, abs=0.5)
    assert '"metadata"' in said
    assert "turn off the kitchen light\n" in said
    assert said.endswith("Everything that is on works.\n")


@pytest.mark.slow
async def test_the_commands_for_a_vendor_run_as_written(tmp_path: Path) -> None:
    start, commands = blocks(README, "sh")[2].split("\n", 1)
    assert start == "DEEPGRAM_API_KEY=... make run"
    async with open_deepgram(key="k-1") as deepgram:
        environment = {
            "DEEPGRAM_API_KEY": "k-1",
            "DEEPGRAM_BASE_URL": deepgram.http_url,
            "DEEPGRAM_WS_URL": deepgram.ws_url,
        }

        def run() -> str:
            with running_server(tmp_path, environment=environment) as server:
                return run_shell(commands, server, tmp_path)

        assert "turn off the kitchen light\n" in await asyncio.to_thread(run)
        assert {request.path for request in deepgram.recorder.requests()} >= {
            "/v1/speak",
            "/v1/listen",
        }


@pytest.mark.slow
def test_the_grammar_and_the_keyphrase_of_the_page_on_local_engines_are_heard(
    tmp_path: Path,
) -> None:
    grammar, words, phrases = blocks(LOCAL_ENGINES, "text")
    folder = tmp_path / "grammars"
    folder.mkdir()
    (folder / "lights.gram").write_text(grammar)
    own = "#JSGF V1.0;\ngrammar own;\npublic <order> = open the gate sayna;\n"
    (folder / "own.gram").write_text(own)
    (folder / "own.dict").write_text(words)
    (folder / "wake.kws").write_text(phrases)
    with running_server(tmp_path, environment={"LOCAL_GRAMMARS_PATH": "grammars"}) as server:
        for text, model, heard in (
            ("turn off the garden light", "grammar:lights", "turn off the garden light"),
            ("open the gate sayna", "grammar:own", "open the gate sayna"),
            ("hello computer", "keyphrases:wake", "hello computer"),
        ):
            script = f".venv/bin/sayna speak '{text}' -o order.wav\n"
            script += f".venv/bin/sayna listen order.wav --model {model}"
            assert run_shell(script, server, tmp_path) == f"{heard}\n"


@pytest.mark.slow
def test_the_python_example_understands_itself(server: RunningServer) -> None:
    done = subprocess.run(  # noqa: S603 - our own example
        [sys.executable, "-W", "ignore", str(ROOT / "examples" / "voice_loop.py"), server.url],
        env=clean_environment({}),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "final:   what is the weather like today"
    assert "interim: what is" in done.stdout

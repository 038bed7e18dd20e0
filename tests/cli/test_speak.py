"""`sayna speak` writes what the server said into a file."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from sayna.cli.sound import Sound
from tests.cli.fake_server import FakeSayna, open_fake_sayna
from tests.cli.running import run, run_beside

PCM = b"\x01\x00" * 800


@pytest.fixture
async def fake() -> AsyncGenerator[FakeSayna, None]:
    async with open_fake_sayna() as fake:
        fake.speech = (200, PCM, {"x-audio-format": "linear16", "x-sample-rate": "16000"})
        yield fake


async def test_the_file_is_a_wav_at_the_rate_that_was_delivered(
    fake: FakeSayna, tmp_path: Path
) -> None:
    file = tmp_path / "a.wav"
    result = await run_beside("speak", "hello", "-o", str(file), "--url", fake.url)
    assert result.exit_code == 0, result.output
    assert Sound.read(file) == Sound(PCM, 16_000)
    assert fake.speak_requests == [
        {"text": "hello", "audio_format": "linear16", "sample_rate": 24000}
    ]


async def test_the_options_become_the_request(fake: FakeSayna, tmp_path: Path) -> None:
    options = ("--provider", "local", "--voice", "en-gb", "--rate", "8000", "--speed", "1.5")
    output = str(tmp_path / "a.ul")
    result = await run_beside(
        "speak", "hi", "-o", output, "--url", fake.url, "--format", "mulaw", *options
    )
    assert result.exit_code == 0, result.output
    assert fake.speak_requests == [
        {
            "text": "hi",
            "provider": "local",
            "voice_id": "en-gb",
            "audio_format": "mulaw",
            "sample_rate": 8000,
            "voice_settings": {"speaking_rate": 1.5},
        }
    ]


async def test_another_format_is_written_as_it_came(fake: FakeSayna, tmp_path: Path) -> None:
    fake.speech = (200, b"\xff\x7f", {"x-audio-format": "mulaw", "x-sample-rate": "8000"})
    file = tmp_path / "a.ul"
    await run_beside("speak", "hi", "-o", str(file), "--url", fake.url, "--format", "mulaw")
    assert file.read_bytes() == b"\xff\x7f"


async def test_a_dash_writes_to_stdout_and_nothing_else(fake: FakeSayna) -> None:
    result = await run_beside("speak", "hi", "-o", "-", "--url", fake.url)
    assert result.stdout_bytes == Sound(PCM, 16_000).to_wav()


async def test_the_key_and_the_address_come_from_the_environment(
    fake: FakeSayna, tmp_path: Path
) -> None:
    env = {"SAYNA_API_KEY": "k1", "SAYNA_URL": fake.url}
    result = await run_beside("speak", "hi", "-o", str(tmp_path / "a.wav"), env=env)
    assert result.exit_code == 0, result.output
    assert fake.keys == ["Bearer k1"]


async def test_a_refusal_is_one_line_and_status_1(fake: FakeSayna, tmp_path: Path) -> None:
    fake.speech = (400, b'{"error": "Text cannot be empty"}', {})
    result = await run_beside("speak", " ", "-o", str(tmp_path / "a.wav"), "--url", fake.url)
    assert result.exit_code == 1
    assert result.stderr == "Error: the server answered 400: Text cannot be empty\n"
    assert not (tmp_path / "a.wav").exists()


async def test_a_file_that_cannot_be_written_is_told(fake: FakeSayna, tmp_path: Path) -> None:
    result = await run_beside("speak", "hi", "-o", str(tmp_path), "--url", fake.url)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.output


def test_without_a_server_the_user_learns_how_to_start_one(
    unused_tcp_port: int, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    result = run("speak", "hi", "-o", str(tmp_path / "a.wav"), "--url", url)
    assert result.exit_code == 1
    assert f"no Sayna server answers at {url}" in result.stderr
    assert "make run" in result.stderr


def test_an_output_is_required() -> None:
    assert run("speak", "hi").exit_code == 2

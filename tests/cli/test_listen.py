"""`sayna listen` sends a WAV file and prints what is heard."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from sayna.cli.gateway import Message
from sayna.cli.listen import CLEAR_LINE, Results
from sayna.cli.sound import Sound
from tests.cli.fake_server import FakeSayna, open_fake_sayna
from tests.cli.running import run, run_beside


def result_of(transcript: str, *, final: bool) -> Message:
    return {
        "type": "stt_result",
        "transcript": transcript,
        "is_final": final,
        "is_speech_final": final,
        "confidence": 0.5,
    }


ERROR: Message = {"type": "error", "message": "STT streaming error: Provider error: gone"}


@pytest.fixture
async def fake() -> AsyncGenerator[FakeSayna, None]:
    async with open_fake_sayna() as fake:
        fake.said = [result_of("good", final=False), result_of("good morning", final=True)]
        yield fake


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    file = tmp_path / "a.wav"
    file.write_bytes(Sound(b"\x01\x00" * 160, 8_000).to_wav())
    return file


async def test_finals_are_lines_interims_are_left_out_of_a_pipe(fake: FakeSayna, wav: Path) -> None:
    result = await run_beside("listen", str(wav), "--url", fake.url, "--wait", "0.2")
    assert result.exit_code == 0, result.output
    assert result.stdout == "good morning\n"


async def test_the_options_become_the_config(fake: FakeSayna, wav: Path) -> None:
    options = ("--model", "grammar:demo", "--language", "en-GB", "--wait", "0.2")
    await run_beside("listen", str(wav), "--url", fake.url, *options)
    stt = fake.configs[0]["stt_config"]
    assert (stt["provider"], stt["model"], stt["language"]) == ("local", "grammar:demo", "en-GB")
    assert (stt["sample_rate"], stt["channels"]) == (8000, 1)


async def test_raw_messages_are_printed_as_they_came(fake: FakeSayna, wav: Path) -> None:
    result = await run_beside("listen", str(wav), "--url", fake.url, "--json", "--wait", "0.2")
    assert [json.loads(line) for line in result.stdout.splitlines()] == fake.said


async def test_an_error_of_the_session_goes_to_stderr_and_ends_with_status_1(
    fake: FakeSayna, wav: Path
) -> None:
    fake.said = [ERROR, result_of("still here", final=True)]
    result = await run_beside("listen", str(wav), "--url", fake.url, "--wait", "0.2")
    assert result.exit_code == 1
    assert result.stdout == "still here\n"
    assert result.stderr == "Error: STT streaming error: Provider error: gone\n"


async def test_a_refused_config_is_told(fake: FakeSayna, wav: Path) -> None:
    fake.config_answer = {"type": "error", "message": "Unsupported provider: zzz"}
    result = await run_beside("listen", str(wav), "--url", fake.url)
    assert result.exit_code == 1
    assert result.stderr == "Error: Unsupported provider: zzz\n"


def test_a_file_that_is_not_there_or_no_wav_is_told(tmp_path: Path) -> None:
    missing = run("listen", str(tmp_path / "none.wav"))
    assert missing.exit_code == 1
    assert "none.wav: No such file" in missing.stderr
    (tmp_path / "text.wav").write_text("hello, I am no sound at all")
    other = run("listen", str(tmp_path / "text.wav"))
    assert other.exit_code == 1
    assert "not a WAV file" in other.stderr


def test_without_a_server_the_user_learns_how_to_start_one(wav: Path, unused_tcp_port: int) -> None:
    result = run("listen", str(wav), "--url", f"http://127.0.0.1:{unused_tcp_port}")
    assert result.exit_code == 1
    assert "make run" in result.stderr


def test_on_a_terminal_interims_overwrite_each_other() -> None:
    written: list[str] = []
    results = Results(raw=False, terminal=True, write=written.append)
    for message in (
        result_of("good", final=False),
        result_of("good morning", final=False),
        result_of("Good morning.", final=True),
    ):
        results.hear(message)
    assert written == [
        f"{CLEAR_LINE}good",
        f"{CLEAR_LINE}good morning",
        f"{CLEAR_LINE}Good morning.\n",
    ]


def test_a_blank_final_and_other_messages_print_nothing() -> None:
    written: list[str] = []
    results = Results(raw=False, terminal=False, write=written.append)
    results.hear(result_of(" ", final=True))
    results.hear({"type": "tts_playback_complete", "timestamp": 1})
    assert written == []


def test_a_transcript_cannot_steer_the_terminal() -> None:
    written: list[str] = []
    Results(raw=False, terminal=False, write=written.append).hear(
        result_of("\x1b[2Jclean\r\n", final=True)
    )
    assert written == ["[2Jclean\n"]

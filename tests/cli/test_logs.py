"""Logs are one stream in one shape, and hold nothing that is secret or spoken."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from typing_extensions import override

from sayna.cli import logs


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    logging.getLogger("uvicorn.access").setLevel(logging.NOTSET)
    structlog.reset_defaults()


def written(stream: io.StringIO) -> dict[str, object]:
    (line,) = stream.getvalue().splitlines()
    found: dict[str, object] = json.loads(line)
    return found


def test_a_file_or_pipe_gets_json() -> None:
    stream = io.StringIO()
    logs.configure("info", "auto", stream)
    structlog.get_logger("sayna.test").info("session_ready", frames=3)
    line = written(stream)
    assert line["event"] == "session_ready"
    assert line["frames"] == 3
    assert line["level"] == "info"
    assert line["logger"] == "sayna.test"
    assert "timestamp" in line


def test_a_terminal_gets_text() -> None:
    stream = Terminal()
    logs.configure("info", "auto", stream)
    structlog.get_logger("sayna.test").info("session_ready")
    assert "session_ready" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_json_can_be_had_on_a_terminal_and_text_in_a_file() -> None:
    terminal, file = Terminal(), io.StringIO()
    logs.configure("info", "json", terminal)
    structlog.get_logger("t").info("one")
    logs.configure("info", "text", file)
    structlog.get_logger("t").info("two")
    assert written(terminal)["event"] == "one"
    assert file.getvalue().count("two") == 1
    assert not file.getvalue().startswith("{")


@pytest.mark.parametrize(
    ("level", "seen"), [("debug", 3), ("info", 2), ("warning", 1), ("error", 0)]
)
def test_what_is_below_the_level_is_not_logged(level: str, seen: int) -> None:
    stream = io.StringIO()
    logs.configure(level, "json", stream)
    log = structlog.get_logger("t")
    log.debug("a")
    log.info("b")
    log.warning("c")
    assert len(stream.getvalue().splitlines()) == seen


@pytest.mark.parametrize("library", ["uvicorn.error", "asyncio", "picows", "aiohttp.client"])
def test_a_library_logs_through_the_same_stream(library: str) -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    logging.getLogger(library).warning("closed %s?token=abc", "/ws")
    assert written(stream)["event"] == "closed /ws?…"


@pytest.mark.parametrize(
    "key",
    [
        "api_key",
        "x-api-key",
        "apikey",
        "deepgram_api_key",
        "token",
        "access_token",
        "Authorization",
        "secret",
        "api_secrets",
        "hook_secret",
        "outbound_auth_password",
        "credentials",
        "google_credentials",
        "signing_key",
        "cookie",
        "transcript",
        "turn_transcript",
        "text",
        "audio",
        "utterance",
    ],
)
@pytest.mark.parametrize("value", ["hush", b"hush", ["hush"], {"a": "hush"}])
def test_a_secret_or_spoken_value_is_hidden(key: str, value: object) -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    structlog.get_logger("t").info("event", **{key: value})
    assert "hush" not in stream.getvalue()
    assert written(stream)[key] == "[hidden]"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("text_chars", 12),
        ("audio_ms", 900),
        ("audio_format", "wav"),
        ("secret_ids", ["tenant-a"]),
        ("token_count", 3),
        ("signing_key_path", "/etc/key.pem"),
        ("keyboard", "qwerty"),
        ("context", "words"),
        ("audio", 7),
        ("text", None),
    ],
)
def test_facts_about_secrets_and_speech_stay(key: str, value: object) -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    structlog.get_logger("t").info("event", **{key: value})
    assert written(stream)[key] == value


def test_secrets_inside_values_are_hidden_too() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    headers = {"authorization": "Bearer hush", "accept": "*/*"}
    structlog.get_logger("t").info(
        "event", request={"headers": headers, "tries": [{"token": "hush"}]}
    )
    assert written(stream)["request"] == {
        "headers": {"authorization": "[hidden]", "accept": "*/*"},
        "tries": [{"token": "[hidden]"}],
    }


def test_a_value_nested_beyond_reason_is_hidden_whole() -> None:
    deep: dict[str, object] = {"end": "hush"}
    for _ in range(20):
        deep = {"next": deep}
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    structlog.get_logger("t").info("event", value=deep)
    assert "hush" not in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("GET /ws?token=hush HTTP/1.1", "GET /ws?… HTTP/1.1"),
        ("wss://host/ws?api_key=hush&x=1", "wss://host/ws?…"),
        ("call https://h.example/a?b=hush#c now", "call https://h.example/a?… now"),
        ("is this a question? yes", "is this a question? yes"),
        ("and/or? no", "and/or? no"),
    ],
)
def test_the_query_of_a_path_or_url_is_cut_off(text: str, kept: str) -> None:
    assert logs.without_query(text) == kept


def fail(reason: str) -> None:
    raise ValueError(reason)


def test_a_traceback_shows_no_local_variable() -> None:
    stream = Terminal()
    logs.configure("info", "auto", stream)
    hidden_value = "hush" + "hush"
    try:
        fail(str(len(hidden_value)))
    except ValueError:
        structlog.get_logger("t").exception("it_broke")
    assert "ValueError" in stream.getvalue()
    assert "hushhush" not in stream.getvalue()


def test_a_query_in_a_traceback_is_cut_off() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    try:
        fail("cannot reach wss://h/ws?token=" + "hu" + "sh")
    except ValueError:
        structlog.get_logger("t").exception("it_broke")
    assert "wss://h/ws?…" in str(written(stream)["exception"])
    assert "token=hush" not in stream.getvalue()

from collections.abc import Mapping
from pathlib import Path

import pytest

from sayna.settings.answers import Answer
from sayna.settings.build import build, judge_hidden, locate, nest
from sayna.settings.problems import Problems
from sayna.settings.tree import Settings


def answered(values: Mapping[str, object]) -> dict[str, Answer]:
    return {path: Answer(value, f"environment {path.upper()}", 1) for path, value in values.items()}


def built(
    values: Mapping[str, object], *, backend: str | None = None, with_sip: bool = False
) -> tuple[Settings, list[str]]:
    problems = Problems()
    answers = answered(values)
    settings = build(answers, backend=backend, with_sip=with_sip, problems=problems)
    return settings, problems.lines


def test_answers_become_settings() -> None:
    settings, problems = built({"server.port": "8080", "session.turn.hard_limit_ms": "9"})
    assert (settings.server.port, settings.session.turn.hard_limit_ms, problems) == (8080, 9, [])


def test_every_refused_setting_is_told_and_keeps_its_default() -> None:
    settings, problems = built({"server.port": "x", "cache.ttl_seconds": "-1", "server.host": "h"})
    assert len(problems) == 2
    assert (settings.server.port, settings.server.host) == (3001, "h")


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            {"server.port": "70000"},
            "server.port (environment SERVER.PORT): must be 65535 or less",
        ),
        ({"server.port": "-1"}, "must be 0 or more"),
        ({"session.ping_interval_s": "0"}, "must be more than 0"),
        ({"logging.format": "xml"}, "must be 'auto', 'text' or 'json'"),
        ({"sip.allowed_addresses": "x"}, "must be a list"),
        ({"sip.hooks": ["x"]}, "sip.hooks[0] (environment SIP.HOOKS): must be a mapping"),
        ({"sip.hooks": [{"host": "h"}]}, "sip.hooks[0].url (environment SIP.HOOKS): is missing"),
        ({"auth.api_secrets": [{"id": 1, "secret": "s"}]}, "auth.api_secrets[0].id"),
        ({"providers.local.recognizer_processes": "0"}, "providers.local.recognizer_processes"),
        ({"auth.api_secret": "\ud800"}, "auth.api_secret (environment AUTH.API_SECRET): must be"),
        ({"server.host": Path("x")}, "must be text"),
    ],
)
def test_a_refusal_names_the_setting_the_source_and_the_cure(
    values: dict[str, object], line: str
) -> None:
    _, problems = built(values)
    assert len(problems) == 1
    assert line in problems[0]


def test_a_backend_names_what_it_misses_by_its_own_variable() -> None:
    settings, problems = built({"recording.prefix": "x"}, backend="gcs")
    assert problems[0].startswith("recording.backend.bucket (RECORDING_GCS_BUCKET): is missing")
    assert settings.recording.backend is None
    assert settings.recording.prefix == "x"


def test_an_empty_sip_section_is_there() -> None:
    assert built({}, with_sip=True)[0].sip is not None
    assert built({})[0].sip is None


def test_a_value_that_lost_must_be_sound_too() -> None:
    problems = Problems()
    hidden = {"server.port": Answer("x", "c.yaml line 1", 3)}
    judge_hidden(hidden, answered({"server.port": "1"}), backend=None, problems=problems)
    assert problems.lines[0].startswith("server.port (c.yaml line 1): is not a whole number")


def test_a_sound_value_that_lost_is_not_told() -> None:
    problems = Problems()
    hidden = {"server.port": Answer("2", "c.yaml line 1", 3)}
    judge_hidden(hidden, answered({"server.port": "1"}), backend=None, problems=problems)
    assert problems.lines == []


def test_the_shape_that_was_tried_is_no_part_of_a_path() -> None:
    assert locate(("recording", "backend", "s3", "bucket")) == ("recording.backend.bucket", "")
    assert locate(("providers", "local", "models_path")) == ("providers.local.models_path", "")
    assert locate(("sip", "hooks", 1, "url")) == ("sip.hooks", "[1].url")


def test_a_backend_that_was_not_chosen_is_left_out() -> None:
    answers = answered({"recording.backend.bucket": "b"})
    assert "recording" not in nest(answers, backend=None, with_sip=False)
    assert nest(answers, backend="s3", with_sip=False)["recording"]["backend"]["type"] == "s3"

from collections.abc import Mapping
from pathlib import Path

import pytest

from sayna.settings.answers import (
    Answer,
    Sources,
    asked_leaves,
    collect,
    hidden_in_file,
    keep_one_kind_of_secret,
    without_unknown,
)
from sayna.settings.leaves import leaf_at
from sayna.settings.problems import Problems
from sayna.settings.sources import parse_yaml


def sources(
    environ: Mapping[str, str] | None = None,
    *,
    yaml: str = "",
    options: dict[str, object] | None = None,
    dotenv: str = "",
) -> Sources:
    variables = dict(pair.split("=", 1) for pair in dotenv.split())
    return Sources(options or {}, environ or {}, variables, parse_yaml(yaml, Path("c.yaml")))


def test_sources_answer_in_order_of_strength() -> None:
    asked = sources(
        {"PORT": "2"},
        yaml="server: {port: 4}\n",
        options={"server.port": 1},
        dotenv="PORT=3",
    )
    answers = list(asked.answers(leaf_at("server.port")))
    assert [answer.value for answer in answers] == [1, "2", "3", "4"]
    assert [answer.origin for answer in answers] == [
        "command line", "environment PORT", ".env PORT", "c.yaml line 1",
    ]  # fmt: skip


@pytest.mark.parametrize("yaml", ["livekit: {url: ' '}\n", "livekit: {url: null}\n", "livekit:\n"])
def test_a_blank_text_says_nothing(yaml: str) -> None:
    assert list(sources({"LIVEKIT_URL": " "}, yaml=yaml).answers(leaf_at("livekit.url"))) == []


def test_empty_google_credentials_say_something() -> None:
    leaf = leaf_at("providers.google_credentials")
    file = sources(yaml="providers: {google_credentials: ''}\n")
    variable = sources({"GOOGLE_APPLICATION_CREDENTIALS": ""})
    assert [answer.value for answer in file.answers(leaf)] == [""]
    assert [answer.value for answer in variable.answers(leaf)] == [""]


def test_an_empty_list_in_a_file_says_nothing_but_in_a_variable_it_does() -> None:
    leaf = leaf_at("auth.api_secrets")
    assert list(sources(yaml="auth: {api_secrets: []}\n").answers(leaf)) == []
    assert [a.value for a in sources({"AUTH_API_SECRETS_JSON": "[]"}).answers(leaf)] == [[]]


def test_a_variable_that_cannot_be_read_is_a_problem() -> None:
    problems = Problems()
    assert collect(sources({"SIP_HOOKS_JSON": "nope"}), None, problems, []) == {}
    assert problems.lines[0].startswith("sip.hooks (SIP_HOOKS_JSON): is not valid JSON")


@pytest.mark.parametrize(
    ("listed", "single", "kept"),
    [(1, 1, "auth.api_secrets"), (1, 3, "auth.api_secrets"), (3, 1, "auth.api_secret")],
)
def test_the_stronger_kind_of_secret_counts(listed: int, single: int, kept: str) -> None:
    found = {
        "auth.api_secrets": Answer([], "", listed),
        "auth.api_secret": Answer("x", "", single),
    }
    keep_one_kind_of_secret(found, Problems())
    assert list(found) == [kept]


def test_a_single_secret_does_not_stand_in_for_a_broken_list() -> None:
    found = collect(
        sources({"AUTH_API_SECRETS_JSON": "nope", "AUTH_API_SECRET": "x"}), None, Problems(), []
    )
    assert found == {}


def test_what_loses_in_the_file_is_remembered() -> None:
    asked = sources({"PORT": "1"}, yaml="server: {port: x, host: h}\n")
    found = collect(asked, None, Problems(), [])
    assert list(hidden_in_file(asked, None, found)) == ["server.port"]


def test_only_the_chosen_backend_is_asked_about() -> None:
    names = {leaf.env.name for leaf in asked_leaves("gcs") if leaf.env}
    assert "RECORDING_GCS_BUCKET" in names
    assert "RECORDING_S3_BUCKET" not in names


def test_unknown_fields_of_entries_are_warned_about() -> None:
    warnings: list[str] = []
    answer = Answer([{"id": "a", "secret": "s", "z": 1}], "environment X", 1)
    kept = without_unknown(leaf_at("auth.api_secrets"), answer, warnings)
    assert kept.value == [{"id": "a", "secret": "s"}]
    assert warnings == ["auth.api_secrets (environment X): entries have no 'z'; it is ignored"]

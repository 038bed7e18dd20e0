from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from sayna.settings.values import (
    Env,
    FilePath,
    Flag,
    Folded,
    HostPort,
    HttpUrl,
    Seconds,
    Secret,
    Text,
    Whole,
    WsUrl,
    as_list,
    as_mapping,
    has_scheme,
    parse_flag,
    parse_seconds,
    parse_whole,
)


def adapter(kind: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - any annotation
    return TypeAdapter(kind)


@pytest.mark.parametrize("word", ["true", "1", "yes", "on", " TRUE ", "Yes", "oN", True])
def test_the_words_for_yes_are_read_in_any_case(word: object) -> None:
    assert parse_flag(word) is True


@pytest.mark.parametrize("word", ["false", "0", "no", "off", " False", "NO", False])
def test_the_words_for_no_are_read_in_any_case(word: object) -> None:
    assert parse_flag(word) is False


@pytest.mark.parametrize("word", ["enabled", "2", "", "y", None, 1, []])
def test_any_other_word_is_neither_yes_nor_no(word: object) -> None:
    with pytest.raises(ValueError, match="neither yes nor no"):
        parse_flag(word)


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("+7", 7), ("-3", -3), ("007", 7), (12, 12)]
)
def test_whole_numbers_are_decimal_digits(text: object, number: int) -> None:
    assert parse_whole(text) == number


@pytest.mark.parametrize(
    "text", ["", " 1", "1_000", "0x10", "1.0", "1e3", "٣", "9" * 5000, True, 1.0, None]
)
def test_what_is_no_whole_number_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        parse_whole(text)


@pytest.mark.parametrize(("text", "number"), [("5", 5.0), ("0.25", 0.25), (3, 3.0), (0.5, 0.5)])
def test_seconds_may_have_a_decimal_point(text: object, number: float) -> None:
    assert parse_seconds(text) == number


@pytest.mark.parametrize(
    "text", ["", "-1", "nan", "inf", "1e9", ".5", "5s", True, -1, float("nan")]
)
def test_what_is_no_length_of_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="number of seconds"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("kind", "good"),
    [
        (HttpUrl, "http://127.0.0.1:8080/x?y=1"),
        (HttpUrl, "https://[::1]:1"),
        (WsUrl, "wss://api.example"),
        (HostPort, "speech.example:443"),
        (HostPort, "[::1]:9090"),
        (Text, " kept as it is "),
        (Whole, "12"),
        (Flag, "on"),
        (Seconds, "1.5"),
    ],
)
def test_a_good_value_passes(kind: object, good: str) -> None:
    adapter(kind).validate_python(good)


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (HttpUrl, "api.example"),
        (HttpUrl, "ftp://api.example"),
        (HttpUrl, "http://?hush"),
        (HttpUrl, "http://h:99999"),
        (HttpUrl, "http://[::1"),
        (HttpUrl, "::::"),
        (WsUrl, "https://api.example"),
        (HostPort, "speech.example"),
        (HostPort, "https://speech.example:443"),
        (HostPort, "speech.example:70000"),
        (HostPort, ":443"),
        (Text, 5),
        (Secret, ["x"]),
        (FilePath, "a\0b"),
        (FilePath, 5),
    ],
)
def test_a_bad_value_is_refused_without_being_repeated(kind: object, bad: object) -> None:
    with pytest.raises(ValidationError) as refusal:
        adapter(kind).validate_python(bad)
    assert str(bad) not in refusal.value.errors()[0]["msg"]


def test_a_path_may_be_text_or_path() -> None:
    paths = TypeAdapter[Path](FilePath)
    assert paths.validate_python("a/b") == paths.validate_python(Path("a/b")) == Path("a/b")


def test_a_secret_does_not_show_itself() -> None:
    secret = TypeAdapter[SecretStr](Secret).validate_python("hush")
    assert "hush" not in f"{secret} {secret!r}"


def test_a_folded_word_loses_case_and_space() -> None:
    assert TypeAdapter[str](Annotated[str, Folded]).validate_python(" JSON ") == "json"


def test_a_variable_comes_before_its_fallbacks() -> None:
    assert Env("LOG_LEVEL", ("RUST_LOG",)).names == ("LOG_LEVEL", "RUST_LOG")


def test_a_scheme_needs_a_host() -> None:
    assert has_scheme("ws://h", "ws")
    assert not has_scheme("ws:///x", "ws")


def test_only_mappings_are_mappings_and_only_lists_are_lists() -> None:
    assert as_mapping({"a": 1}) == {"a": 1}
    assert as_mapping([1]) is None
    assert as_list((1, 2)) == [1, 2]
    assert as_list("ab") is None

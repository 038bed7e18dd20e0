from pathlib import Path

import pytest

from sayna.settings.sources import (
    Document,
    Unreadable,
    parse_list,
    parse_yaml,
    plain_level,
    read_dotenv,
    read_variable,
    read_yaml,
)
from sayna.settings.values import Env

FILE = Path("c.yaml")


def written(folder: Path, text: str | bytes, name: str = "c.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}\n", "null\n", "~", "---\n"])
def test_a_file_without_settings_is_fine(text: str) -> None:
    assert parse_yaml(text, FILE).data == {}


def test_scalars_stay_as_they_are_written() -> None:
    document = parse_yaml("a: 0123\nb: on\nc: 3.10\nd: null\ne: 2001-01-01\nf: ~\ng: ''\n", FILE)
    assert document.data == {
        "a": "0123", "b": "on", "c": "3.10", "d": None, "e": "2001-01-01", "f": None, "g": "",
    }  # fmt: skip


def test_sections_may_be_merged_from_an_anchor() -> None:
    document = parse_yaml("x: &x {url: u}\nlivekit:\n  <<: *x\n  api_key: k\n", FILE)
    assert document.at("livekit") == {"url": "u", "api_key": "k"}


def test_a_byte_order_mark_is_no_setting(tmp_path: Path) -> None:
    assert read_yaml(written(tmp_path, "\ufeffserver: {}\n")).data == {"server": {}}


@pytest.mark.parametrize("text", ["- a\n", "word\n", "5\n"])
def test_a_file_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="must hold sections"):
        parse_yaml(text, FILE)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("server:\n\tport: 1\n", "line 2 column 1"),
        ("server: {port: 1\n", "line 2 column 1"),
        ("a: 1\n---\nb: 2\n", "line 2 column 1"),
        ("a: *nobody\n", "line 1 column 4"),
        ("a: !!python/object:x.Y {}\n", "line 1 column 4"),
        ("? [a]\n: 1\n", "line 1 column 3"),
    ],
)
def test_a_file_that_is_no_yaml_is_refused_with_its_line(
    tmp_path: Path, text: str, line: str
) -> None:
    with pytest.raises(Unreadable, match=line):
        read_yaml(written(tmp_path, text))


@pytest.mark.parametrize(
    "text", ["api_key: *hush\n", "api_key: !hush\n", "api_key: 'hush\n", "a: @hush\n"]
)
def test_broken_yaml_does_not_give_a_secret_away(tmp_path: Path, text: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        read_yaml(written(tmp_path, text))
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize("text", [b"\xff\xfe\x00", b"a: \xe4\n", b"a: \x01\n", b"[" * 100_000])
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(Unreadable):
        read_yaml(written(tmp_path, text))


@pytest.mark.parametrize("text", ["a: 1\na: 2\n", "s: {k: 1, k: 2}\n"])
def test_a_key_that_stands_twice_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="stands there twice"):
        parse_yaml(text, FILE)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="No such file"):
        read_yaml(tmp_path / "none.yaml")


def test_a_document_knows_the_line_of_each_key() -> None:
    document = parse_yaml("# first\nserver:\n  host: x\n  port: 1\n", FILE)
    assert document.place("server.port") == "c.yaml line 4"
    assert document.place("server.nothing") == "c.yaml"
    assert document.at("server.host") == "x"
    assert document.at("server.host.deeper") is None
    assert Document().at("server") is None


def test_the_nearest_dotenv_above_is_read(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    written(tmp_path, "PORT=1\n", ".env")
    assert read_dotenv(deep).values == {"PORT": "1"}
    written(tmp_path / "a", "PORT=2\n", ".env")
    assert read_dotenv(deep).values == {"PORT": "2"}


def test_a_dotenv_has_quotes_comments_and_export(tmp_path: Path) -> None:
    written(tmp_path, "# x\nexport A='a b' # c\nB=\"$A\"\nC=\nD\n", ".env")
    assert read_dotenv(tmp_path).values == {"A": "a b", "B": "$A", "C": ""}


def test_a_broken_line_of_a_dotenv_is_passed_over(tmp_path: Path) -> None:
    written(tmp_path, "this is not\nPORT=1\n", ".env")
    dotenv = read_dotenv(tmp_path)
    assert dotenv.values == {"PORT": "1"}
    assert "line 1 is not NAME=value" in dotenv.warnings[0]


def test_a_dotenv_that_is_no_text_is_passed_over(tmp_path: Path) -> None:
    written(tmp_path, b"\xff\xff", ".env")
    assert read_dotenv(tmp_path).values == {}
    assert read_dotenv(tmp_path).warnings


@pytest.mark.parametrize("text", ["", "  ", "\t"])
def test_a_blank_variable_is_unset_unless_blank_means_something(text: str) -> None:
    assert read_variable("A", Env("A"), {"A": text}) is None
    assert read_variable("A", Env("A", blank_counts=True), {"A": text}) == ""
    assert read_variable("A", Env("A", blank_counts=True), {}) is None


@pytest.mark.parametrize(
    ("directives", "level"),
    [
        ("debug", "debug"),
        ("info,tower=debug", "info"),
        ("tower=debug, WARN", "warn"),
        ("sayna=trace", None),
        ("nonsense", None),
    ],
)
def test_the_level_for_everything_is_taken_out_of_rust_log(
    directives: str, level: str | None
) -> None:
    assert plain_level(directives) == level
    assert read_variable("RUST_LOG", Env("LOG_LEVEL"), {"RUST_LOG": directives}) == level


def test_a_list_is_json_or_has_commas() -> None:
    assert parse_list('["a"]', Env("X", form="json")) == ["a"]
    assert parse_list(" a, ,b,", Env("X", form="commas")) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nope", "not valid JSON: .* line 1 column 1"),
        ('["hush', "not valid JSON"),
        ("{}", "must be a JSON list"),
        ('"a"', "must be a JSON list"),
        ("null", "must be a JSON list"),
        ("[" * 100_000, "nests too deeply"),
        ("[" + "9" * 5000 + "]", "."),
    ],
)
def test_a_list_that_is_none_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refusal:
        parse_list(text, Env("X", form="json"))
    assert "hush" not in str(refusal.value)

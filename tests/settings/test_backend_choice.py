from pathlib import Path

import pytest

from sayna.settings.backend_choice import choose_backend
from sayna.settings.sources import parse_yaml

S3 = "recording: {backend: {type: s3, bucket: b}}\n"


def choose(yaml: str = "", option: object = None, dotenv: str = "", **environ: str) -> str | None:
    variables = dict(pair.split("=", 1) for pair in dotenv.split())
    document = parse_yaml(yaml, Path("c.yaml"))
    return choose_backend({"recording.backend.type": option}, (environ, variables), document)


def test_nothing_asks_for_a_backend() -> None:
    assert choose() is None
    assert choose("recording: {prefix: x, backend: null}\n", RECORDING_PREFIX="x") is None
    assert choose(RECORDING_S3_PREFIX="x") is None
    assert choose(RECORDING_BACKEND=" ", RECORDING_S3_BUCKET="") is None


@pytest.mark.parametrize(
    ("word", "kind"),
    [(" S3 ", "s3"), ("gcs", "gcs"), ("GCP", "gcs"), ("Google", "gcs"), ("local", "local")],
)
def test_the_variable_names_it_in_any_case(word: str, kind: str) -> None:
    assert choose(RECORDING_BACKEND=word) == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("RECORDING_S3_REGION", "s3"),
        ("RECORDING_GCS_CREDENTIALS_JSON", "gcs"),
        ("RECORDING_LOCAL_PATH", "local"),
    ],
)
def test_any_variable_of_a_backend_asks_for_it(name: str, kind: str) -> None:
    assert choose(**{name: "x"}) == kind
    assert choose(dotenv=f"{name}=x") == kind


def test_variables_of_two_backends_contradict_each_other_unless_one_is_named() -> None:
    both = {"RECORDING_S3_BUCKET": "b", "RECORDING_GCS_BUCKET": "g"}
    with pytest.raises(ValueError, match="gcs and s3; set RECORDING_BACKEND"):
        choose(S3, **both)
    assert choose(**both, RECORDING_BACKEND="s3") == "s3"


def test_file_and_variables_must_agree() -> None:
    assert choose(S3, RECORDING_S3_REGION="r") == "s3"
    with pytest.raises(ValueError, match=r"c\.yaml line 1 says s3, the variables .* say gcs"):
        choose(S3, RECORDING_BACKEND="gcs")


@pytest.mark.parametrize(
    ("yaml", "why"),
    [
        ("recording: {backend: {type: S3}}\n", "must be one of gcs, local, s3"),
        ("recording: {backend: {type: [s3]}}\n", "must be one of"),
        ("recording: {backend: {bucket: b}}\n", "is missing"),
        ("recording: {backend: {}}\n", "is missing"),
    ],
)
def test_the_file_names_its_backend_exactly(yaml: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        choose(yaml)


def test_an_unknown_word_is_refused_without_being_repeated() -> None:
    with pytest.raises(ValueError, match="RECORDING_BACKEND") as refusal:
        choose(RECORDING_BACKEND="ftp")
    assert "ftp" not in str(refusal.value)


def test_the_command_line_decides_over_all() -> None:
    assert choose(S3, option="gcs", RECORDING_S3_BUCKET="b") == "gcs"


def test_a_variable_completes_a_file_without_a_type() -> None:
    assert choose("recording: {backend: {bucket: b}}\n", RECORDING_BACKEND="gcs") == "gcs"

import pytest
from pydantic import ValidationError

from sayna.settings.recording import (
    BACKENDS,
    GcsBucket,
    LocalFolder,
    Recording,
    S3Bucket,
    tidy_prefix,
)

S3 = {"type": "s3", "bucket": "b", "region": "r", "access_key": "a", "secret_key": "s"}


@pytest.mark.parametrize(
    ("prefix", "tidy"),
    [("", ""), ("/", ""), ("calls/prod/", "calls/prod"), ("/a//b///c/", "a/b/c"), ("x", "x")],
)
def test_a_prefix_has_one_spelling(prefix: str, tidy: str) -> None:
    assert tidy_prefix(prefix) == Recording(prefix=prefix).prefix == tidy


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        (S3, S3Bucket),
        ({"type": "gcs", "bucket": "b"}, GcsBucket),
        ({"type": "local", "path": "x"}, LocalFolder),
    ],
)
def test_the_type_tells_the_backend(written: dict[str, str], kind: type) -> None:
    assert type(Recording.model_validate({"backend": written}).backend) is kind


@pytest.mark.parametrize("field", ["bucket", "region", "access_key", "secret_key"])
def test_an_s3_bucket_needs_all_its_fields(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        Recording.model_validate({"backend": {**S3, field: None}})


def test_each_backend_is_listed_under_its_type() -> None:
    assert all(model.model_fields["type"].default == kind for kind, model in BACKENDS.items())


def test_who_records_is_one_of_two() -> None:
    assert Recording.model_validate({"mode": " EGRESS "}).mode == "egress"
    with pytest.raises(ValidationError):
        Recording.model_validate({"mode": "tape"})

import pytest

from sayna.providers.wires import MAX_ERROR_CHARS, redact, retry_after_s, status_text


@pytest.mark.parametrize(
    ("status", "text"), [(401, "401 Unauthorized"), (503, "503 Service Unavailable"), (599, "599")]
)
def test_a_status_is_named(status: int, text: str) -> None:
    assert status_text(status) == text


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), ("0", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("", None)],
)
def test_only_seconds_to_wait_are_understood(value: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": value}) == seconds
    assert retry_after_s({}) is None


def test_a_vendors_words_come_back_in_one_line_without_secrets() -> None:
    words = "no such key:\r\n  sk-1234\tfor  Call me at noon"
    assert redact(words, ("sk-1234", "Call me at noon", "")) == "no such key: *** for ***"


def test_what_is_too_short_to_be_a_secret_is_left_alone() -> None:
    assert redact("a bad request", ("a", "bad")) == "a bad request"


def test_long_words_are_trimmed_after_the_secret_was_found() -> None:
    secret = "s" * 40
    trimmed = redact("x" * (MAX_ERROR_CHARS - 20) + secret, (secret,))
    assert len(trimmed) <= MAX_ERROR_CHARS
    assert "s" not in trimmed
    assert redact("y" * 1000, ()).endswith("…")

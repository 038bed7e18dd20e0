import pytest

from sayna.errors import (
    NetworkFailed,
    ProviderAuthFailed,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
)
from sayna.providers.deepgram.refusals import closing_of, refused_request, refused_stream

KEY = "dg-secret-key"


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, ProviderMisconfigured, False),
        (401, ProviderAuthFailed, False),
        (402, ProviderRefused, False),
        (403, ProviderAuthFailed, False),
        (404, ProviderRefused, False),
        (429, ProviderRefused, True),
        (500, ProviderRefused, True),
        (503, ProviderRefused, True),
        (302, ProviderRefused, False),
        (200, ProviderRefused, False),
    ],
)
def test_a_status_tells_whose_fault_it_is(
    status: int, kind: type[ProviderError], retryable: bool
) -> None:
    error = refused_stream(status, {}, b"", KEY)
    assert type(error) is kind
    assert error.retryable is retryable
    assert f"({status} " in str(error)


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (
            b'{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials."}',
            {},
            "Invalid credentials.",
        ),
        (b'{"category":"X","message":"bad body","details":"line 1"}', {}, "bad body: line 1"),
        (b"", {"dg-error": "no such model"}, "no such model"),
        (b"plain\nwords", {"dg-error": "ignored"}, "plain words"),
        (b'{"err_msg":', {}, '{"err_msg":'),
        (b"key dg-secret-key is bad", {}, "key *** is bad"),
        (b"\xff\xfe", {}, "\ufffd\ufffd"),
    ],
)
def test_deepgrams_reason_is_told_without_the_key(
    body: bytes, headers: dict[str, str], reason: str
) -> None:
    error = refused_stream(401, headers, body, KEY)
    assert str(error) == f"Deepgram refused (401 Unauthorized): {reason}"


def test_a_refused_request_is_told_as_it_always_was() -> None:
    error = refused_request(401, {}, '{"err_code": "X"}')
    assert error.tts_text == 'Provider error: API error (401 Unauthorized): {"err_code": "X"}'
    assert not error.retryable


def test_a_pause_that_deepgram_asks_for_is_known_to_the_error() -> None:
    error = refused_request(429, {"retry-after": "3"}, "busy")
    assert error.retryable
    assert error.retry_after_s == 3
    assert refused_stream(429, {"retry-after": "2"}, b"", KEY).retry_after_s == 2


@pytest.mark.parametrize(
    ("code", "reason", "kind", "told"),
    [
        (1011, "NET-0001", NetworkFailed, "closed the connection (1011 NET-0001)"),
        (1008, "policy", NetworkFailed, "closed the connection (1008 policy)"),
        (1008, "DATA-0000: no", ProviderMisconfigured, "cannot read what it was sent"),
        (1000, "", NetworkFailed, "closed the connection (1000)"),
        (None, "", NetworkFailed, "the connection to Deepgram was lost"),
        (1011, KEY, NetworkFailed, "(1011 ***)"),
    ],
)
def test_an_end_in_the_middle_says_why(
    code: int | None, reason: str, kind: type[ProviderError], told: str
) -> None:
    error = closing_of(code, reason, KEY)
    assert type(error) is kind
    assert told in str(error)
    assert error.retryable is (kind is NetworkFailed)

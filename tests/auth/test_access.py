import pytest

from sayna.auth.access import AccessDenied, AccessRequest, find_token, is_plain


def request(header: bytes | None = None, query: bytes = b"", path: bytes = b"/x") -> AccessRequest:
    headers = [] if header is None else [(b"authorization", header)]
    return AccessRequest("GET", path, query, headers)


@pytest.mark.parametrize(
    ("header", "token"),
    [(b"Bearer a", "a"), (b"Bearer  a", " a"), (b"Bearer a b ", "a b"), (b"Bearer a\tb", "a\tb")],
)
def test_a_bearer_header_holds_the_token_untrimmed(header: bytes, token: str) -> None:
    assert find_token(request(header, b"api_key=other")) == token


@pytest.mark.parametrize(
    "header", [b"", b"Bearer", b"Bearer ", b"bearer a", b"Basic a", b"Bearer\ta", b"Bearer \xfc"]
)
def test_any_other_header_is_rescued_by_the_query_or_refused(header: bytes) -> None:
    assert find_token(request(header, b"api_key=a")) == "a"
    with pytest.raises(AccessDenied) as denied:
        find_token(request(header, b"api_key=%20"))
    assert (denied.value.status, denied.value.error) == (401, "invalid_auth_header")


@pytest.mark.parametrize(
    ("query", "token"),
    [
        (b"api_key=a+b%2Fc", "a b/c"),
        (b"api_key=&api_key=%20&api_key=x&api_key=y", "x"),
        (b"a=b&api%5Fkey=x", "x"),
        (b"api_key=%zz", "%zz"),
        (b"api_key=%ff", "\ufffd"),
        (b"api_key=schl%C3%BCssel", "schlüssel"),
    ],
)
def test_the_query_is_form_decoded_and_its_first_value_counts(query: bytes, token: str) -> None:
    assert find_token(request(None, query)) == token


def test_the_query_token_is_for_sockets_and_comes_last() -> None:
    assert find_token(request(None, b"token=t", b"/ws")) == "t"
    assert find_token(request(None, b"token=t&api_key=k", b"/ws")) == "k"
    with pytest.raises(AccessDenied) as denied:
        find_token(request(None, b"token=t", b"/voices"))
    assert denied.value.error == "missing_auth_header"


def test_of_several_headers_the_first_counts() -> None:
    headers = [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")]
    assert find_token(AccessRequest("GET", b"/", b"", headers)) == "a"


def test_plain_is_printable_ascii_and_tabs() -> None:
    assert is_plain(b"a \t~")
    assert not is_plain(b"\x7f")
    assert not is_plain("ü".encode())


def test_a_request_shows_no_body() -> None:
    assert "secret" not in repr(AccessRequest("GET", b"/", body=b"secret"))

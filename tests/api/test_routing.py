import pytest

from sayna.api.errors import RequestRejected
from sayna.api.routes import ROUTES
from sayna.api.routing import allowed_methods, decode_path, raw_path
from tests.api.asgi import open_client


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        (b"/voices", b"/voices"),
        (b"/#a", b"/"),
        (b"/a?b", b"/a"),
        (b"http://h:1/a%2Fb?x", b"/a%2Fb"),
        (b"http://h", b"/"),
        (b"http://h?x", b"/"),
        (b"http://[/voices", b"/voices"),
        (b"*", b"*"),
        (b"//voices", b"//voices"),
    ],
)
def test_the_path_is_the_one_that_was_sent(sent: bytes, path: bytes) -> None:
    assert raw_path({"raw_path": sent, "path": "/"}) == path


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [("a%2Fb", "a/b"), ("%zz", "%zz"), ("%", "%"), ("%C3%BC", "ü"), ("+", "+"), ("%00", "\0")],
)
def test_a_parameter_is_decoded_after_it_was_matched(raw: str, decoded: str) -> None:
    scope = {"path_params": {"name": raw}}
    decode_path(scope)
    assert scope["path_params"]["name"] == decoded


def test_a_parameter_that_is_not_utf8_is_refused_by_name() -> None:
    with pytest.raises(RequestRejected, match="room_name") as rejected:
        decode_path({"path_params": {"room_name": "%FF"}})
    assert rejected.value.status == 400


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/sip/hooks", "GET,HEAD,POST,DELETE"),
        ("/", "GET,HEAD"),
        ("/speak", "POST"),
        ("/livekit/participant", "DELETE"),
        ("/ws", "GET,HEAD"),
        ("/nope", ""),
    ],
)
def test_all_methods_of_a_path_are_named_at_once(path: str, methods: str) -> None:
    assert allowed_methods(ROUTES, path) == methods


@pytest.mark.parametrize(
    "path", ["/voices/", "//voices", "/Voices", "/%76oices", "/livekit/rooms/", "/x/../voices", "*"]
)
async def test_no_other_spelling_of_a_path_is_accepted(path: str) -> None:
    async with open_client() as client:
        answer = await client.ask("GET", path)
    assert (answer.status, answer.json) == (404, {"error": "Not Found"})


async def test_a_wrong_method_is_told_the_right_ones() -> None:
    async with open_client() as client:
        answer = await client.ask("FOO", "/sip/hooks")
    assert answer.status == 405
    assert answer.headers["allow"] == "GET,HEAD,POST,DELETE"


async def test_head_is_get_without_the_body() -> None:
    async with open_client() as client:
        head, get = await client.ask("HEAD", "/"), await client.ask("GET", "/")
        assert (await client.ask("HEAD", "/speak")).status == 405
    assert head.status == get.status == 200
    assert head.headers["content-length"] == get.headers["content-length"] == "15"
    assert head.body == b""

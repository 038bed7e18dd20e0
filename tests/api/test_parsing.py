import asyncio

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from sayna.api.errors import RequestRejected
from sayna.api.parsing import MAX_BODY_BYTES, check_content_type, parse_json, read_body
from tests.api.asgi import open_client

BODY = '{"room_name":"r","participant_name":"n","participant_identity":"i"%s}'


@pytest.mark.parametrize(
    "given",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json;charset=utf-8",
        'application/json; charset="UTF-8"; a=b',
        "application/json; charset=iso-8859-1",
        "application/vnd.api+json",
        "application/problem+json; a=b",
        "application/json;",
        " application/json ",
    ],
)
def test_json_by_any_of_its_names_is_taken(given: str) -> None:
    check_content_type({"headers": [(b"content-type", given.encode())]})


@pytest.mark.parametrize(
    "given",
    [
        "",
        "json",
        "text/json",
        "text/plain",
        "text/x+json",
        "application/jsonl",
        "application/json-seq",
        "application/+json",
        "application/json ;x",
        "application/json; x",
        "application/json, application/json",
        "application/json/x",
    ],
)
def test_any_other_content_type_is_refused(given: str) -> None:
    for headers in (
        [],
        [(b"content-type", given.encode()), (b"content-type", b"application/json")],
    ):
        with pytest.raises(RequestRejected) as rejected:
            check_content_type({"headers": headers})
        assert rejected.value.status == 415


def inbox(*pieces: bytes) -> Receive:
    messages: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": True} for piece in pieces
    ]

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive


async def test_a_body_is_refused_by_what_it_declares_before_it_is_read() -> None:
    scope = {"headers": [(b"content-length", str(MAX_BODY_BYTES + 1).encode())]}
    with pytest.raises(RequestRejected) as rejected:
        await read_body(scope, inbox())
    assert rejected.value.status == 413


async def test_a_body_is_refused_as_soon_as_it_grows_too_large() -> None:
    with pytest.raises(RequestRejected) as rejected:
        await read_body({"headers": []}, inbox(b"x" * MAX_BODY_BYTES, b"x"))
    assert rejected.value.status == 413


async def test_a_client_that_leaves_in_the_middle_is_noticed() -> None:
    with pytest.raises(ClientDisconnect):
        await read_body({"headers": []}, inbox(b"x"))


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr("sayna.api.parsing.BODY_S", 0.01)
    with pytest.raises(RequestRejected) as rejected:
        await read_body({"headers": []}, receive)
    assert rejected.value.status == 408


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"nope",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":1}x',
        b"\xef\xbb\xbf{}",
        b'"\xff"',
        b'"\xc0\x80"',
        b'"\xed\xa0\x80"',
        b'"\\udc00"',
        b'"\\x"',
        b"NaN",
        b"-Infinity",
        b"01",
        b"+1",
        b"1e400",
        b"[" * 100_000,
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(RequestRejected) as rejected:
        parse_json(body)
    assert rejected.value.status == 400


@pytest.mark.parametrize(
    "body", [b"null", b"-0", b'"\\u0000"', b'"\\ud83d\\ude00"', b" [1] \r\n\t"]
)
def test_any_json_value_is_read(body: bytes) -> None:
    parse_json(body)


@pytest.mark.parametrize(
    ("target", "body", "path"),
    [
        ("/livekit/token", b"{}", "room_name"),
        ("/livekit/token", b'{"room_name":null}', "room_name"),
        ("/livekit/token", b"[]", ""),
        ("/livekit/token", b"null", ""),
        ("/sip/hooks", b'{"hooks":["a"]}', "hooks[0]"),
        ("/sip/hooks", b'{"hooks":null}', "hooks"),
        ("/sip/hooks", b'{"hooks":[{"host":1,"url":"u","auth_id":""}]}', "hooks[0].host"),
        ("/speak", b'{"text":"a","tts_config":{"provider":1}}', "tts_config.provider"),
        ("/speak", b'{"text":"a","tts_config":{"provider":"a","sample_rate":8e3}}', "sample_rate"),
        ("/speak", b'{"text":"a","tts_config":{"provider":"a","sample_rate":-1}}', "sample_rate"),
        ("/speak", b'{"text":"a","tts_config":{"provider":"a","speaking_rate":true}}', "rate"),
    ],
)
async def test_a_wrong_type_is_refused_with_the_path_of_its_field(
    target: str, body: bytes, path: str
) -> None:
    async with open_client() as client:
        answer = await client.ask(
            "POST", target, body, headers=[(b"content-type", b"application/json")]
        )
    assert answer.status == 422
    assert path in answer.json["error"]


@pytest.mark.parametrize("extra", ["", ',"x":[[[{"y":null}]]]', ',"x":12345678901234567890123'])
async def test_unknown_keys_are_ignored(extra: str) -> None:
    async with open_client() as client:
        answer = await client.ask(
            "POST",
            "/livekit/token",
            (BODY % extra).encode(),
            headers=[(b"content-type", b"application/json")],
        )
    assert answer.json == {"error": "LiveKit service not configured"}

"""The questions to the auth service and what its answers mean; the service is real."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import jwt
import pytest
from aiohttp import web

from sayna.auth.access import AccessDenied, AccessRequest
from sayna.auth.identity import ANONYMOUS
from sayna.auth.signing import SigningKey
from sayna.auth.token_service import MAX_ANSWER_BYTES, TokenService, open_token_service, shorten
from sayna.settings.tree import Auth
from tests.auth.test_signing import P256, RSA

KEY = SigningKey("ES256", P256)
REQUEST = AccessRequest("post", b"/a%2Fb", b"api_key=q", [(b"x-a", b"1")], b'{"z":1,"a":[2.5]}')


class Service:
    """Remembers each question, answers what it is told to."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b'{"id":" tenant "}'
        self.headers: dict[str, str] = {}
        self.silent = False
        self.asked: list[tuple[dict[str, str], bytes]] = []

    async def answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((headers, await request.read()))
        if self.silent:
            await asyncio.Event().wait()
        return web.Response(status=self.status, body=self.body, headers=self.headers)


@asynccontextmanager
async def open_service(
    key: SigningKey = KEY, *, strict: bool = False, path: str = "/check?x=1"
) -> AsyncGenerator[tuple[Service, TokenService], None]:
    service = Service()
    application = web.Application()
    application.router.add_route("*", "/{any:.*}", service.answer)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    settings = Auth(
        service_url=f"http://{host}:{port}{path}", timeout_seconds=1, strict_identity=strict
    )
    try:
        async with open_token_service(settings, key) as asker:
            yield service, asker
    finally:
        await runner.cleanup()


async def denial(service: TokenService) -> AccessDenied:
    with pytest.raises(AccessDenied) as denied:
        await service.identify("tok", REQUEST)
    return denied.value


@pytest.mark.parametrize("key", [KEY, SigningKey("RS256", RSA)], ids=["es256", "rs256"])
async def test_the_question_is_a_signed_token_about_the_request(key: SigningKey) -> None:
    async with open_service(key) as (service, asker):
        identity = await asker.identify("tok", REQUEST)
    assert identity.tenant == "tenant"
    headers, body = service.asked[0]
    assert set(headers) == {"host", "content-type", "accept", "content-length"}
    assert (headers["content-type"], headers["accept"]) == ("application/jwt", "*/*")
    assert jwt.get_unverified_header(body) == {"alg": key.algorithm, "typ": "JWT"}
    claims = jwt.decode(body, key.key.public_key(), [key.algorithm])
    assert list(claims) == ["sub", "iat", "exp", "auth_data"]
    assert claims["exp"] - claims["iat"] == 300
    assert claims["auth_data"] == {
        "token": "tok",
        "request_body": {"z": 1, "a": [2.5]},
        "request_headers": {"x-a": "1"},
        "request_path": "/a%2Fb",
        "request_method": "POST",
    }


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b"", {}),
        (b"nope", {}),
        (b"\xff\x00", {}),
        (b"null", None),
        (b'"x"', "x"),
        (b"[1]", [1]),
        (b"[" * 100_000, {}),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
    ],
    ids=["empty", "garbage", "binary", "null", "string", "array", "deep", "huge"],
)
async def test_any_json_is_passed_on_and_anything_else_is_an_empty_object(
    body: bytes, seen: object
) -> None:
    async with open_service() as (service, asker):
        await asker.identify("tok", AccessRequest("POST", b"/", body=body))
    claims = jwt.decode(service.asked[0][1], P256.public_key(), ["ES256"])
    assert claims["auth_data"]["request_body"] == seen


async def test_headers_that_are_nobodys_business_are_dropped() -> None:
    dropped = ["authorization", "cookie", "host", "x-real-ip", "x-forwarded-for", "x-sayna-a"]
    headers = [(name.encode(), b"v") for name in dropped]
    headers += [(b"x-rep", b"1"), (b"x-rep", b"2"), (b"x-forwarded", b"k"), (b"x-u", b"\xc3\xbc")]
    headers += [(b"x-tab", b"a\tb"), (b"x-empty", b"")]
    async with open_service() as (service, asker):
        await asker.identify("tok", AccessRequest("GET", b"/", headers=headers))
    claims = jwt.decode(service.asked[0][1], P256.public_key(), ["ES256"])
    kept = {"x-rep": "2", "x-forwarded": "k", "x-tab": "a\tb", "x-empty": ""}
    assert claims["auth_data"]["request_headers"] == kept


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"id":null}', b'{"id":" "}', b'{"id":1}', b"[]", b"\xff", b"no"]
)
async def test_a_200_without_an_identity_admits_anonymously_unless_strict(body: bytes) -> None:
    async with open_service() as (service, asker):
        service.body = body
        assert await asker.identify("tok", REQUEST) is ANONYMOUS
    async with open_service(strict=True) as (service, asker):
        service.body = body
        denied = await denial(asker)
    assert (denied.status, denied.error) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("status", "ours", "error"),
    [
        (401, 401, "unauthorized"),
        (400, 401, "auth_service_error"),
        (429, 401, "auth_service_error"),
        (500, 502, "auth_service_error"),
        (599, 502, "auth_service_error"),
        (201, 502, "auth_service_error"),
        (204, 502, "auth_service_error"),
        (302, 502, "auth_service_error"),
    ],
)
async def test_every_other_answer_is_a_refusal_of_its_kind(
    status: int, ours: int, error: str
) -> None:
    async with open_service() as (service, asker):
        service.status = status
        service.body = b"" if status == 204 else b"why"
        service.headers = {"location": "/elsewhere"} if status == 302 else {}
        denied = await denial(asker)
        assert len(service.asked) == 1
    assert (denied.status, denied.error) == (ours, error)
    assert status == 401 or str(status) in denied.message
    assert status == 204 or "why" in denied.message


async def test_a_silent_service_is_unavailable_after_the_timeout() -> None:
    async with open_service() as (service, asker):
        service.silent = True
        denied = await denial(asker)
    assert (denied.status, denied.error) == (503, "auth_service_unavailable")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "ws://127.0.0.1:1/", "::::", "127.0.0.1/x"])
async def test_a_service_that_cannot_be_reached_is_unavailable(url: str) -> None:
    settings = Auth.model_construct(service_url=url, timeout_seconds=1, strict_identity=False)
    async with open_token_service(settings, KEY) as asker:
        denied = await denial(asker)
    assert (denied.status, denied.error) == (503, "auth_service_unavailable")


def test_a_body_is_cut_to_500_bytes_between_two_characters() -> None:
    assert shorten(b"y" * 500) == "y" * 500
    assert shorten(b"y" * 501) == "y" * 500 + "... (truncated)"
    cut = shorten(b"a" + "ü".encode() * 300)
    assert cut == "a" + "ü" * 249 + "... (truncated)"
    assert shorten(b"\xff") == "\ufffd"
    assert json.dumps(shorten(b"\xff" * 900))


async def test_an_answer_too_large_to_read_lets_nobody_in() -> None:
    async with open_service() as (service, asker):
        service.body = json.dumps({"id": "t", "x": "a" * MAX_ANSWER_BYTES}).encode()
        denied = await denial(asker)
        assert (denied.status, denied.error) == (503, "auth_service_unavailable")
        service.status = 403
        assert (await denial(asker)).status == 401

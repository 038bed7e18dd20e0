import re

import pytest

from sayna.api.pages import ASSETS
from tests.api.asgi import open_client

UPGRADE = {
    b"connection": b"keep-alive, Upgrade",
    b"upgrade": b"WebSocket",
    b"sec-websocket-version": b"13",
    b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==",
}


async def test_the_server_says_that_it_is_there() -> None:
    async with open_client() as client:
        answer = await client.ask("GET", "/", headers=[(b"accept", b"text/html")])
    assert (answer.status, answer.body) == (200, b'{"status":"OK"}')


async def test_the_page_for_humans_needs_nothing_from_elsewhere() -> None:
    async with open_client() as client:
        page = (await client.ask("GET", "/docs")).body.decode()
        links = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert len(links) == len(ASSETS)
        for link in links:
            asset = await client.ask("GET", f"/{link}")
            assert asset.status == 200
            assert asset.headers["content-type"] == ASSETS[link.removeprefix("docs/")]
            assert len(asset.body) > 1000
        assert "//" not in page.replace("<!--", "")
        assert (await client.ask("GET", "/docs/other.js")).status == 404


async def test_the_document_is_the_one_of_the_application() -> None:
    async with open_client() as client:
        answer = await client.ask("GET", "/openapi.json")
        assert answer.json == client.app.openapi()


@pytest.mark.parametrize(
    ("missing", "status", "words"),
    [
        (b"connection", 400, "Connection"),
        (b"upgrade", 400, "Upgrade"),
        (b"sec-websocket-version", 400, "Sec-WebSocket-Version"),
        (b"sec-websocket-key", 400, "Sec-WebSocket-Key"),
        (b"", 426, "cannot be upgraded"),
    ],
)
async def test_a_plain_request_for_the_socket_is_told_what_is_missing(
    missing: bytes, status: int, words: str
) -> None:
    headers = [entry for entry in UPGRADE.items() if entry[0] != missing]
    async with open_client() as client:
        answer = await client.ask("GET", "/ws", headers=headers)
    assert answer.status == status
    assert words in answer.json["error"]


async def test_the_head_of_the_socket_is_not_asked_for_its_upgrade() -> None:
    async with open_client() as client:
        answer = await client.ask("HEAD", "/ws", headers=list(UPGRADE.items()))
    assert (answer.status, answer.headers["allow"]) == (405, "GET,HEAD")

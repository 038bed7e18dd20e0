from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from sayna.settings.tree import ApiSecret, Auth, Cache, Settings, Sip, SipHook
from tests.api.asgi import open_client

URL = "https://h.example/x"
SIP = Sip(hooks=(SipHook(host=" Conf.example ", url=URL, auth_id="t"),))


def hook(host: str, **more: str) -> dict[str, str]:
    return {"host": host, "url": URL, "auth_id": "t", **more}


def settings(folder: Path, *, required: bool = False) -> Settings:
    secrets = (ApiSecret(id="a", secret=SecretStr("s")),)
    return Settings(
        cache=Cache(path=folder), sip=SIP, auth=Auth(required=required, api_secrets=secrets)
    )


async def test_hooks_are_added_listed_and_forgotten(tmp_path: Path) -> None:
    async with open_client(settings(tmp_path)) as client:
        conf = hook("conf.example")
        added = await client.ask("POST", "/sip/hooks", {"hooks": [hook(" B "), hook("a")]})
        assert added.json == {"hooks": [conf, hook("a"), hook("b")]}
        assert (await client.ask("GET", "/sip/hooks")).json == added.json
        left = await client.ask("DELETE", "/sip/hooks", {"hosts": ["A ", "nobody"]})
        assert left.json == {"hooks": [conf, hook("b")]}


async def test_a_tenant_may_be_left_out_when_auth_is_off(tmp_path: Path) -> None:
    async with open_client(settings(tmp_path)) as client:
        answer = await client.ask("POST", "/sip/hooks", {"hooks": [{"host": "a", "url": URL}]})
    assert answer.json["hooks"][-1] == hook("a", auth_id="")


@pytest.mark.parametrize(
    ("hooks", "status", "words"),
    [
        ([hook("CONF.example"), hook("CONF.example")], 405, "conf.example"),
        ([hook("d"), hook(" D")], 400, "Duplicate host detected"),
        ([hook("a", url="ftp://x")], 400, "http"),
        ([hook("a", url="")], 400, "http"),
        ([hook("  ")], 400, "host"),
    ],
)
async def test_hooks_that_cannot_be_are_refused(
    hooks: list[dict[str, Any]], status: int, words: str, tmp_path: Path
) -> None:
    async with open_client(settings(tmp_path)) as client:
        answer = await client.ask("POST", "/sip/hooks", {"hooks": hooks})
        assert answer.status == status
        assert words in answer.json["error"]
        assert "allow" not in answer.headers
        assert len((await client.ask("GET", "/sip/hooks")).json["hooks"]) == 1


async def test_with_auth_on_a_hook_needs_a_tenant_before_anything_else(tmp_path: Path) -> None:
    bearer = [(b"authorization", b"Bearer s")]
    async with open_client(settings(tmp_path, required=True)) as client:
        body = {"hooks": [hook("conf.example", auth_id=" ")]}
        answer = await client.ask("POST", "/sip/hooks", body, headers=bearer)
    assert answer.status == 400
    assert "empty auth_id" in answer.json["error"]


async def test_without_a_folder_only_reading_works() -> None:
    async with open_client() as client:
        assert (await client.ask("GET", "/sip/hooks")).json == {"hooks": []}
        twice = {"hooks": [hook("a"), hook("a")]}
        assert (await client.ask("POST", "/sip/hooks", twice)).status == 500
        assert (await client.ask("DELETE", "/sip/hooks", {"hosts": ["a"]})).status == 500
        assert (await client.ask("DELETE", "/sip/hooks", {})).status == 400

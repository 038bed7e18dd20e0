from pathlib import Path

import pytest

from sayna.settings.tree import LocalFolder, Recording, Settings
from tests.api.asgi import open_client


@pytest.mark.parametrize("name", ["a%2Fb", "..", "%2e%2e", "a..b"])
async def test_a_name_that_could_leave_the_store_is_refused(name: str) -> None:
    async with open_client() as client:
        assert (await client.ask("GET", f"/recording/{name}")).status == 400


@pytest.mark.parametrize("name", ["a", "%20", ".", "%zz", "%00"])
async def test_without_a_store_there_are_no_recordings(name: str) -> None:
    async with open_client() as client:
        answer = await client.ask("GET", f"/recording/{name}")
    assert (answer.status, answer.json) == (503, {"error": "Recording storage not configured"})


async def test_with_a_store_this_version_says_that_it_has_none_yet(tmp_path: Path) -> None:
    settings = Settings(recording=Recording(backend=LocalFolder(path=tmp_path)))
    async with open_client(settings) as client:
        answer = await client.ask("GET", "/recording/a")
    assert answer.status == 503
    assert "not part of this version" in answer.json["error"]

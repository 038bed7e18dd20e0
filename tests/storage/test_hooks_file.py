import asyncio
import json
from pathlib import Path

import pytest

from sayna.errors import InvalidRequest, NotConfigured
from sayna.storage.hooks_file import FILE_NAME, Hook, HookIsConfigured, HooksFile, HooksNotKept

FIXED = Hook(" Fixed.example ", "https://f.example", " t ")
URL = "https://u.example"


def stored(folder: Path) -> list[dict[str, str]]:
    entries: list[dict[str, str]] = json.loads((folder / FILE_NAME).read_text("utf-8"))
    return entries


async def test_hooks_of_the_settings_come_first_then_the_others_by_host(tmp_path: Path) -> None:
    hooks = HooksFile(tmp_path / "new", [FIXED])
    await hooks.put([Hook("b.example", URL, " x "), Hook(" A.example", URL)])
    assert [hook.host for hook in hooks.hooks] == ["fixed.example", "a.example", "b.example"]
    assert hooks.hooks[0].auth_id == "t"
    assert {entry["host"] for entry in stored(tmp_path / "new")} == {"a.example", "b.example"}
    assert list(stored(tmp_path / "new")[0]) == ["host", "url", "auth_id"]


async def test_hooks_survive_a_restart(tmp_path: Path) -> None:
    await HooksFile(tmp_path).put([Hook("büro.example", URL, "t")])
    again = HooksFile(tmp_path)
    await again.load()
    assert again.hooks == (Hook("büro.example", URL, "t"),)


async def test_a_hook_replaces_the_one_of_the_same_host(tmp_path: Path) -> None:
    hooks = HooksFile(tmp_path)
    await hooks.put([Hook("a", URL, "1")])
    assert await hooks.put([Hook(" A ", URL, "2")]) == (Hook("a", URL, "2"),)


async def test_removing_ignores_case_space_and_strangers(tmp_path: Path) -> None:
    hooks = HooksFile(tmp_path)
    await hooks.put([Hook("a", URL), Hook("b", URL)])
    assert await hooks.remove([" A ", "nobody", "a"]) == (Hook("b", URL),)


async def test_a_host_of_the_settings_can_neither_be_put_nor_removed(tmp_path: Path) -> None:
    hooks = HooksFile(tmp_path, [FIXED, Hook("a.example", URL)])
    with pytest.raises(HookIsConfigured, match=r"a\.example, fixed\.example"):
        await hooks.put([Hook("FIXED.example", URL), Hook("a.example", URL)])
    with pytest.raises(HookIsConfigured):
        await hooks.remove([" Fixed.Example"])


async def test_a_host_may_occur_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="Duplicate host detected: d"):
        await HooksFile(tmp_path).put([Hook("d", URL), Hook(" D", URL)])


async def test_without_a_folder_nothing_can_change() -> None:
    hooks = HooksFile(None, [FIXED])
    await hooks.load()
    assert not hooks.kept
    assert len(hooks.hooks) == 1
    with pytest.raises(NotConfigured):
        await hooks.put([])
    with pytest.raises(NotConfigured):
        await hooks.remove(["a"])


@pytest.mark.parametrize(
    "text", ["", " \n", "{broken", "{}", '["a", 1, {"host": 1}]', "[" * 90_000]
)
async def test_a_broken_file_counts_as_empty_and_is_replaced(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    hooks = HooksFile(tmp_path)
    await hooks.load()
    assert hooks.hooks == ()
    await hooks.put([Hook("a", URL)])
    assert len(stored(tmp_path)) == 1


async def test_an_entry_without_a_tenant_gets_the_default_one(tmp_path: Path) -> None:
    entry = {"host": " NOID.example", "url": URL, "secret": "x"}
    (tmp_path / FILE_NAME).write_text(json.dumps([entry]))
    hooks = HooksFile(tmp_path)
    await hooks.load()
    assert hooks.hooks == (Hook("noid.example", URL, "default"),)


async def test_a_file_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    hooks = HooksFile(tmp_path)
    (tmp_path / FILE_NAME / "x").mkdir(parents=True)
    with pytest.raises(HooksNotKept):
        await hooks.put([Hook("a", URL)])
    assert hooks.hooks == ()


async def test_changes_at_the_same_time_all_count(tmp_path: Path) -> None:
    hooks = HooksFile(tmp_path)
    await asyncio.gather(*(hooks.put([Hook(f"h{i}", URL)]) for i in range(10)))
    assert len(hooks.hooks) == len(stored(tmp_path)) == 10

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from sayna.errors import ConnectionFailed, ProviderMisconfigured, UnsupportedProvider
from sayna.providers import registry as module
from sayna.providers.registry import Registry, canonical, open_registry
from sayna.settings.load import load_settings
from sayna.settings.tree import Settings
from sayna.settings.vendors import Providers
from sayna.speech.protocols import Provider


class Ledger:
    """Remembers what was opened and closed, in order; fails on demand."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.failures: list[Exception] = []
        self.tasks: set[asyncio.Task[None] | None] = set()

    def entry_point(self, name: str) -> EntryPoint:
        @asynccontextmanager
        async def open_provider(_settings: Settings) -> AsyncGenerator[Provider, None]:
            self.tasks.add(asyncio.current_task())
            self.lines.append(f"open {name}")
            if self.failures:
                raise self.failures.pop()
            try:
                yield cast("Provider", SimpleNamespace(name=name))
            finally:
                self.tasks.add(asyncio.current_task())
                self.lines.append(f"close {name}")

        return cast("EntryPoint", SimpleNamespace(name=name, load=lambda: open_provider))


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    made = Ledger()
    points = [made.entry_point(name) for name in ("zeta", "Local", "deepgram")]
    monkeypatch.setattr(module, "entry_points", lambda group: points if group else [])
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(environ={}, cwd=tmp_path).settings


@pytest.mark.parametrize("spelling", ["azure", "Azure", "microsoft-azure", "MICROSOFT-AZURE"])
def test_case_and_aliases_fold_into_one_name(spelling: str) -> None:
    assert canonical(spelling) == "azure"


async def test_clouds_come_before_the_rest(ledger: Ledger, settings: Settings) -> None:
    async with open_registry(settings) as found:
        assert found.names == ("deepgram", "local", "zeta")
    assert ledger.lines == []  # nothing opens until it is asked for


async def test_a_provider_opens_once_however_many_ask(ledger: Ledger, settings: Settings) -> None:
    async with open_registry(settings) as found:
        first, second = await asyncio.gather(found.get("LOCAL"), found.get("local"))
        assert first is second is await found.get("local")
        assert ledger.lines == ["open Local"]
    assert ledger.lines == ["open Local", "close Local"]


async def test_blocks_are_entered_and_left_by_one_task_in_reverse_order(
    ledger: Ledger, settings: Settings
) -> None:
    async with open_registry(settings) as found:
        await found.get("local")
        await asyncio.create_task(found.get("zeta"))
    assert ledger.lines == ["open Local", "open zeta", "close zeta", "close Local"]
    assert len(ledger.tasks) == 1


async def test_a_failed_opening_is_told_and_tried_again(ledger: Ledger, settings: Settings) -> None:
    ledger.failures.append(ConnectionFailed("no engine"))
    async with open_registry(settings) as found:
        with pytest.raises(ConnectionFailed, match="no engine"):
            await found.get("local")
        assert (await found.get("local")).name == "Local"


async def test_whoever_gives_up_waiting_does_not_spoil_the_opening(
    ledger: Ledger, settings: Settings
) -> None:
    async with open_registry(settings) as found:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await found.get("local")
        assert (await found.get("local")).name == "Local"
    assert ledger.lines.count("open Local") == 1


async def test_an_unknown_name_and_a_missing_adapter_are_told_apart(
    ledger: Ledger, settings: Settings
) -> None:
    async with open_registry(settings) as found:
        assert not found.knows("nobody")
        with pytest.raises(UnsupportedProvider, match="Unsupported provider: nobody"):
            await found.get("Nobody")
        with pytest.raises(ProviderMisconfigured, match=r"no adapter for google .* local, zeta"):
            await found.get("google")
    assert ledger.lines == []


async def test_the_local_provider_is_found_without_any_configuration(settings: Settings) -> None:
    async with open_registry(settings) as found:
        assert "local" in found.names
        assert isinstance(found, Registry)


async def test_tones_is_like_any_unknown_name_until_its_setting_is_on(settings: Settings) -> None:
    async with open_registry(settings) as found:
        assert "tones" not in found.names
        assert not found.knows("Tones")
        with pytest.raises(UnsupportedProvider, match=r"^Unsupported provider: tones$"):
            await found.get("Tones")
    on = settings.model_copy(update={"providers": Providers(tones=True)})
    async with open_registry(on) as found:
        assert "tones" in found.names
        assert (await found.get("TONES")).name == "tones"

"""From a provider's name to the provider; a vendor is imported when first asked for.

Providers register as entry points of the group `sayna.providers`, so that one may come from any
installed package: the entry point is a callable `open_provider(settings)` that returns an async
context manager of a `Provider`. A name is canonical, lower case.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import EntryPoint, entry_points

from sayna.errors import ProviderMisconfigured, UnsupportedProvider
from sayna.settings.tree import Settings
from sayna.speech.protocols import Provider

OpenProvider = Callable[[Settings], AbstractAsyncContextManager[Provider]]
"""What an entry point of the group `sayna.providers` is."""

GROUP = "sayna.providers"
ALIASES = {"microsoft-azure": "azure"}
CLOUDS = ("deepgram", "elevenlabs", "cartesia", "azure", "google")
"""Vendors whose names are part of the public API, whether or not their adapter is installed."""
SWITCHED: Mapping[str, Callable[[Settings], bool]] = {
    "tones": lambda settings: settings.providers.tones
}
"""Providers that a setting offers; while it is off, their names mean nothing here."""


def canonical(name: str) -> str:
    """Fold case and aliases: `Microsoft-Azure` is `azure`."""
    lowered = name.lower()
    return ALIASES.get(lowered, lowered)


def offered(settings: Settings) -> dict[str, EntryPoint]:
    """Return every installed provider by its canonical name, without those switched off."""
    found = {point.name.lower(): point for point in entry_points(group=GROUP)}
    return {name: found[name] for name in found if SWITCHED.get(name, _always)(settings)}


def _always(_settings: Settings) -> bool:
    return True


class Registry:
    """The providers of one process, each opened when first asked for, closed with the registry.

    One task (`keep`) enters and leaves every provider's block, whichever request asked for it:
    a block that owns a task group must be left by the task that entered it.
    """

    def __init__(self, settings: Settings, found: Mapping[str, EntryPoint]) -> None:
        self._settings = settings
        self._found = found
        self._open: dict[str, Provider] = {}
        self._opening: dict[str, asyncio.Future[Provider]] = {}
        self._wanted: asyncio.Queue[str] = asyncio.Queue()  # at most one entry for each found name

    @property
    def names(self) -> tuple[str, ...]:
        """Every provider that has an adapter, clouds first, then alphabetically."""
        ranked = [name for name in CLOUDS if name in self._found]
        return (*ranked, *sorted(name for name in self._found if name not in CLOUDS))

    def knows(self, name: str) -> bool:
        """Tell whether the name means anything here, adapter or not."""
        return canonical(name) in CLOUDS or canonical(name) in self._found

    async def get(self, name: str) -> Provider:
        """Return the provider, importing and opening it at the first call.

        Raises:
            UnsupportedProvider: the name means nothing here.
            ProviderMisconfigured: the name is known but its adapter is not part of this server.
            ProviderError: the provider could not be opened; the next call tries again.
        """
        wanted = canonical(name)
        if (opened := self._open.get(wanted)) is not None:
            return opened
        if not self.knows(wanted):
            raise UnsupportedProvider(name)
        if wanted not in self._found:
            have = ", ".join(self.names) or "none"
            raise ProviderMisconfigured(
                f"no adapter for {wanted} is installed on this server (installed: {have})"
            )
        opening = self._opening.get(wanted)
        if opening is None:
            opening = self._opening[wanted] = asyncio.get_running_loop().create_future()
            self._wanted.put_nowait(wanted)
        return await asyncio.shield(opening)

    async def keep(self) -> None:
        """Open what is asked for until cancelled, then close everything in reverse order."""
        async with AsyncExitStack() as stack:
            while True:
                wanted = await self._wanted.get()
                opening = self._opening[wanted]
                try:
                    open_provider: OpenProvider = self._found[wanted].load()
                    provider = await stack.enter_async_context(open_provider(self._settings))
                except Exception as error:  # noqa: BLE001 - told to whoever asked
                    opening.set_exception(error)
                    opening.exception()  # whoever asked may be gone: not an unheard error then
                else:
                    self._open[wanted] = provider
                    opening.set_result(provider)
                finally:
                    del self._opening[wanted]
                    if not opening.done():
                        opening.cancel()


@asynccontextmanager
async def open_registry(settings: Settings) -> AsyncGenerator[Registry, None]:
    """Find every installed provider; open none yet. Those opened later close with the block."""
    registry = Registry(settings, offered(settings))
    async with asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(registry.keep(), name="providers")
        try:
            yield registry
        finally:
            keeper.cancel()

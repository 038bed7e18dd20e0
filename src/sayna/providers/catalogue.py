"""The voices of every provider that the server can use, asked at once and remembered a while."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import structlog
from cachetools import TTLCache

from sayna.errors import SaynaError
from sayna.providers.credentials import is_configured
from sayna.providers.registry import Registry
from sayna.settings.tree import Settings
from sayna.speech.protocols import Voice

log = structlog.get_logger(__name__)

CAP_S = 5.0
REMEMBERED_S = 600.0
MAX_PROVIDERS = 64


class Catalogue:
    """Voices by provider. One that fails or dawdles is left out and asked again next time."""

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        *,
        cap_s: float = CAP_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._cap_s = cap_s
        self._remembered: TTLCache[str, Sequence[Voice]] = TTLCache(
            MAX_PROVIDERS, REMEMBERED_S, timer=clock
        )
        self._asking = asyncio.Lock()

    async def voices(self) -> Mapping[str, Sequence[Voice]]:
        """Return the voices of each configured provider, clouds first; never fails."""
        names = [name for name in self._registry.names if is_configured(name, self._settings)]
        async with self._asking, asyncio.TaskGroup() as tasks:  # who comes together asks once
            asked = {name: tasks.create_task(self._of(name)) for name in names}
        answers = {name: task.result() for name, task in asked.items()}
        return {name: voices for name, voices in answers.items() if voices is not None}

    async def _of(self, name: str) -> Sequence[Voice] | None:
        if (remembered := self._remembered.get(name)) is not None:
            return remembered
        try:
            async with asyncio.timeout(self._cap_s):
                voices = await (await self._registry.get(name)).voices()
        except (SaynaError, TimeoutError) as error:
            log.warning("voices_unavailable", provider=name, kind=type(error).__name__)
            return None
        except Exception:  # a provider may come from anybody's package
            log.exception("voices_crashed", provider=name)
            return None
        self._remembered[name] = voices
        return voices

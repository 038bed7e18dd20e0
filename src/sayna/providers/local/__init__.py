"""The provider `local`: speech engines that run on this machine, without a key.

Every engine runs in worker processes, which import this package too: nothing heavy stands here.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sayna.settings.tree import Settings
    from sayna.speech.protocols import Provider


@asynccontextmanager
async def open_provider(settings: "Settings") -> "AsyncGenerator[Provider, None]":
    """Offer the local engines until the block ends; none starts before it is asked for."""
    from sayna.providers.local.provider import open_local  # here: see above

    async with open_local(settings) as provider:
        yield provider

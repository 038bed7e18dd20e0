"""What the tests of the emulators share."""

from collections.abc import AsyncGenerator

import aiohttp
import pytest


@pytest.fixture
async def http() -> AsyncGenerator[aiohttp.ClientSession, None]:
    """A client that has the key of `open_deepgram`."""
    headers = {"Authorization": "Token test-key"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session

"""What every test shares: the event loop is asyncio's."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run every asynchronous test on asyncio; nothing of ours runs on trio."""
    return "asyncio"

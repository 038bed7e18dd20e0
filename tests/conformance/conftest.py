"""Every provider of `cases.py`, open for one test at a time."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from sayna.speech.protocols import Provider
from tests.conformance.cases import CASES, Case, Listening

PATIENCE_S = 60.0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for `listening` with every provider that listens, the rest with all of them."""
    cases = [case for case in CASES if case.listening or "listening" not in metafunc.fixturenames]
    metafunc.parametrize("case", [pytest.param(c, id=c.name, marks=c.marks) for c in cases])


@pytest.fixture
def listening(case: Case) -> Listening:
    assert case.listening is not None
    return case.listening


@pytest.fixture
async def provider(case: Case) -> AsyncGenerator[Provider, None]:
    async with asyncio.timeout(PATIENCE_S), case.open() as opened:
        yield opened

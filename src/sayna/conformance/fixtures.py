"""What the checks ask for by the names of their arguments, and the cases they are run with.

A check runs with every case that has what its arguments need: `hearing` wants a case that listens.
"""

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping

import pytest

from sayna.conformance.case import Case, Hearing, Speaking
from sayna.conformance.streams import Recording
from sayna.speech.options import Credentials
from sayna.speech.protocols import Provider

CHECKS = "sayna.conformance.checks"

_VARIANTS: Mapping[str, Callable[[Case], Iterable[tuple[str, object]]]] = {
    "wanted_format": lambda case: (
        [(f"{name}-{rate}", (name, rate)) for name, rate in case.speaking.formats]
        if case.speaking
        else []
    ),
    "encoding": lambda case: (
        [(name, name) for name in case.hearing.encodings] if case.hearing else []
    ),
    "speaking_fault": lambda case: [
        (fault.name, fault) for fault in case.faults if fault.speaking is not None
    ],
    "hearing_fault": lambda case: [
        (fault.name, fault) for fault in case.faults if fault.hearing is not None
    ],
}
"""Arguments of which a case may have several: by name, each with how it is called."""


def parametrize(
    metafunc: pytest.Metafunc,
    cases: Iterable[Case],
    marks_of: Callable[[Case], Iterable[pytest.MarkDecorator]] = lambda _: (),
) -> None:
    """Run a check with every case, and every variant of the case, that it can be run with.

    Args:
        metafunc: as `pytest_generate_tests` gets it.
        cases: those to run.
        marks_of: marks for all checks of a case.
    """
    wanted = metafunc.fixturenames
    if "case" not in wanted:
        return
    variant = next((name for name in _VARIANTS if name in wanted), None)
    names = ["case"] if variant is None else ["case", variant]
    params = [
        pytest.param(case, *values, id="-".join([case.name, *ids]), marks=list(marks_of(case)))
        for case in cases
        if _suits(case, wanted)
        for ids, values in _variants(case, variant)
    ]
    if not params:
        why = pytest.mark.skip(reason="no case gives what this check needs")
        params = [pytest.param(*(None for _ in names), id="no case", marks=why)]
    metafunc.parametrize(names, params)


def _variants(case: Case, variant: str | None) -> Iterable[tuple[list[str], list[object]]]:
    if variant is None:
        return [([], [])]
    return [([name], [value]) for name, value in _VARIANTS[variant](case)]


def _suits(case: Case, wanted: Iterable[str]) -> bool:
    have = {
        "speaking": case.speaking,
        "hearing": case.hearing,
        "recording": case.hearing,
        "wrong_credentials": case.wrong_credentials,
    }
    return all(have[name] is not None for name in wanted if name in have)


def limit(item: pytest.Item) -> None:
    """End a check that hangs, with a text that says so."""
    if not isinstance(item, pytest.Function):
        return
    check: Callable[..., Awaitable[None]] = item.obj
    case: object = item.callspec.params.get("case") if hasattr(item, "callspec") else None
    ours = check.__module__.startswith(f"{CHECKS}.")
    if ours and isinstance(case, Case) and inspect.iscoroutinefunction(check):
        item.obj = _limited(check, case.patience_s)


def _limited(
    check: Callable[..., Awaitable[None]], patience_s: float
) -> Callable[..., Awaitable[None]]:
    @functools.wraps(check)
    async def run(**arguments: object) -> None:
        patience = asyncio.timeout(patience_s)
        try:
            async with patience:
                await check(**arguments)
        except TimeoutError as error:
            if not patience.expired():
                raise
            raise AssertionError(
                f"not done after {patience_s:g} s: something that the check awaits never comes. The"
                " traceback above names the call; every wait of a provider needs a limit or an end"
            ) from error

    return run


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run every check on asyncio."""
    return "asyncio"


@pytest.fixture
def speaking(case: Case) -> Speaking:
    """How the provider speaks."""
    assert case.speaking is not None
    return case.speaking


@pytest.fixture
def hearing(case: Case) -> Hearing:
    """How the provider listens."""
    assert case.hearing is not None
    return case.hearing


@pytest.fixture
def wrong_credentials(case: Case) -> Credentials:
    """What the vendor refuses."""
    assert case.wrong_credentials is not None
    return case.wrong_credentials


@pytest.fixture
async def provider(case: Case) -> AsyncGenerator[Provider, None]:
    """Open the provider for one check, then close it."""
    opening = case.open()
    async with asyncio.timeout(case.patience_s):
        opened = await opening.__aenter__()
    yield opened
    async with asyncio.timeout(case.patience_s):
        await opening.__aexit__(None, None, None)


@pytest.fixture
async def recording(case: Case, provider: Provider, hearing: Hearing) -> Recording:
    """Return what the provider is known to understand."""
    if hearing.speech is None:
        pytest.skip("nothing is known that it understands: give --recording FILE --words TEXT")
    async with asyncio.timeout(case.patience_s):
        return Recording(hearing, await hearing.speech(provider))

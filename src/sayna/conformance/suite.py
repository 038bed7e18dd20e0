"""The checks put to pytest: `run` is what `sayna conformance` does."""

import inspect
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from sayna.conformance import fixtures
from sayna.conformance.case import Case

HERE = Path(__file__).parent


class Suite:
    """A pytest plugin: these cases, each check limited in time, each failure with its rule."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._cases = cases

    def pytest_configure(self, config: pytest.Config) -> None:
        """Bring the fixtures in behind anyio's, one of which they replace."""
        config.pluginmanager.register(fixtures)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every check with the cases it can be run with."""
        fixtures.parametrize(metafunc, self._cases)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Bound every check."""
        fixtures.limit(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Print the rule below its failure."""
        report = yield
        if report.failed:
            check: object = getattr(item, "obj", None)
            report.sections.append(("The rule", inspect.getdoc(check) or ""))
        return report


def run(
    cases: Sequence[Case], arguments: Sequence[str] = (), plugins: Sequence[object] = ()
) -> int:
    """Run all checks in this process.

    Args:
        cases: the providers.
        arguments: more for pytest, for example `["-x", "-k", "cancel"]`.
        plugins: more for pytest, as objects.

    Returns:
        pytest's exit status: 0 when every check holds.
    """
    own = ["-c", str(HERE / "pytest.ini"), "--disable-plugin-autoload", "-p", "anyio"]
    quiet = ["-p", "no:cacheprovider", str(HERE / "checks")]
    given: list[object] = [Suite(cases), *plugins]
    return int(pytest.main([*own, *quiet, *arguments], plugins=given))

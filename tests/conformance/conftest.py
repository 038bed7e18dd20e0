"""Every check of the kit over every provider of `cases`."""

import pytest

from sayna.conformance import fixtures
from sayna.conformance.fixtures import hearing, provider, recording, speaking, wrong_credentials
from tests.conformance.cases import CASES, marks_of

__all__ = ["hearing", "provider", "recording", "speaking", "wrong_credentials"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    fixtures.parametrize(metafunc, CASES, marks_of)


def pytest_itemcollected(item: pytest.Item) -> None:
    fixtures.limit(item)

"""Which checks a case is run with. What becomes of a check that hangs is in `test_suite`."""

from dataclasses import replace

import pytest

from sayna.conformance.case import Case
from sayna.conformance.fixtures import parametrize
from tests.conformance.reference import REFERENCE


class Collected:
    """The part of `pytest.Metafunc` that is used; keeps what it was told."""

    def __init__(self, *wanted: str) -> None:
        self.fixturenames = list(wanted)
        self.names: list[str] = []
        self.ids: list[str] = []

    def parametrize(self, names: list[str], params: list[object]) -> None:
        self.names = names
        self.ids = [str(getattr(param, "id", None)) for param in params]


def collect(cases: list[Case], *wanted: str) -> Collected:
    collected = Collected(*wanted)
    parametrize(collected, cases)  # type: ignore[arg-type]
    return collected


def test_a_test_without_a_case_is_left_alone() -> None:
    assert collect([REFERENCE], "tmp_path").names == []


def test_a_side_that_a_case_does_not_have_is_not_asked() -> None:
    silent = replace(REFERENCE, name="silent", speaking=None)
    assert collect([REFERENCE, silent], "case", "speaking").ids == ["reference"]
    assert collect([REFERENCE, silent], "case", "recording").ids == ["reference", "silent"]


@pytest.mark.parametrize("wanted", ["speaking", "hearing_fault", "wrong_credentials", "encoding"])
def test_a_check_that_no_case_can_run_is_skipped_and_not_lost(wanted: str) -> None:
    bare = Case("bare", REFERENCE.open_provider)
    assert collect([bare], "case", wanted).ids == ["no case"]


def test_every_variant_of_a_case_is_run() -> None:
    found = collect([REFERENCE], "case", "speaking", "wanted_format")
    assert found.names == ["case", "wanted_format"]
    assert found.ids[:2] == ["reference-linear16-8000", "reference-mulaw-8000"]

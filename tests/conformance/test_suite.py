"""The suite can fail: each rule broken alone is found by its check, and by that one only."""

from collections import Counter
from dataclasses import replace

import pytest

from sayna.conformance.suite import run
from tests.conformance.broken import BROKEN
from tests.conformance.broken.ears import EndsWithoutTheFinal, NeverEnds
from tests.conformance.reference import REFERENCE, Ear, Reference, Speaker, case_of

HEARING = "test_the_words_are_heard"
QUIET = (
    *("-p", "no:logging", "--capture=no", "--show-capture=no"),
    *("-p", "no:unraisableexception"),  # it collects all garbage of this process, again and again
)


class Results:
    """A pytest plugin that keeps what became of each check."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.ran: set[str] = set()
        self.failed: dict[str, str] = {}
        self.rules: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.location[2].partition("[")[0]
        if report.when == "call" or report.failed:
            self.outcomes[report.outcome] += 1
            self.ran.add(name)
        if report.failed:
            self.failed[name] = report.longreprtext
            self.rules[name] = dict(report.sections).get("The rule", "")


@pytest.mark.parametrize("flaw", BROKEN)
def test_a_broken_rule_is_found_by_its_check_alone(flaw: str) -> None:
    check, provider = BROKEN[flaw]
    results = Results()
    case = case_of(  # the side that is as it should be need not be looked at
        provider,
        speaks=provider.ear is Ear,
        listens=provider.speaker is Speaker,
    )
    assert run([case], QUIET, [results]) == pytest.ExitCode.TESTS_FAILED
    assert set(results.failed) == {check}, "\n".join(results.failed.values())
    assert results.rules[check]
    assert results.outcomes["passed"] > 20


def test_a_recognizer_without_finals_fails_wherever_words_are_expected() -> None:
    results = Results()
    deaf = type("Deaf", (Reference,), {"ear": EndsWithoutTheFinal})
    run([case_of(deaf)], QUIET, [results])
    assert HEARING in results.failed
    assert "Send what is left to the engine on `finish`" in results.failed[HEARING]


def test_every_check_has_a_provider_that_breaks_it() -> None:
    results = Results()
    assert run([REFERENCE], QUIET, [results]) == pytest.ExitCode.OK
    assert results.ran == {check for check, _ in BROKEN.values()} | {HEARING}


def test_a_check_that_hangs_is_ended_with_a_text_that_says_so() -> None:
    results = Results()
    hanging = replace(case_of(type("Hanging", (Reference,), {"ear": NeverEnds})), patience_s=0.1)
    run([hanging], [*QUIET, "-k", HEARING], [results])
    assert "not done after 0.1 s" in results.failed[HEARING]

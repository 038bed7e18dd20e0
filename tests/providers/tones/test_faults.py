import re
from pathlib import Path

import pytest

from sayna.errors import (
    ConnectionFailed,
    NetworkFailed,
    ProviderAuthFailed,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderTimeout,
)
from sayna.providers.tones.faults import (
    END,
    GRAMMAR,
    MAX_FAULTS,
    OPEN,
    Fault,
    FaultLedger,
    Kind,
    Place,
    Unit,
    error_of,
    parse_faults,
)


@pytest.mark.parametrize("model", ["", "tones", "#mine", "tones #mine"])
def test_a_model_without_faults_has_none(model: str) -> None:
    assert parse_faults(model) == ()


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ("stall@2w", Fault(Kind.STALL, None, Place(2, Unit.WORDS))),
        ("stall:2s@500ms", Fault(Kind.STALL, 2_000, Place(500, Unit.MS))),
        ("drop", Fault(Kind.DROP)),
        ("drop@3w*1", Fault(Kind.DROP, None, Place(3, Unit.WORDS), 1)),
        ("reset@2s", Fault(Kind.RESET, None, Place(2_000, Unit.MS))),
        ("half-open", Fault(Kind.HALF_OPEN)),
        ("status:503*2", Fault(Kind.STATUS, 503, None, 2)),
        ("garbage@1w", Fault(Kind.GARBAGE, None, Place(1, Unit.WORDS))),
        ("slow-first-byte:800ms", Fault(Kind.SLOW_FIRST_BYTE, 800)),
        ("odd-chunks #of-mine", Fault(Kind.ODD_CHUNKS)),
        ("drop@open", Fault(Kind.DROP, None, OPEN)),
        ("stall:2s@end/3*2", Fault(Kind.STALL, 2_000, END, 2, 3)),
        ("hang-on-close:3s", Fault(Kind.HANG_ON_CLOSE, 3_000)),
    ],
)
def test_each_fault_is_understood(model: str, fault: Fault) -> None:
    assert parse_faults(model) == (fault,)


def test_every_model_that_the_documentation_shows_is_of_the_grammar() -> None:
    page = (Path(__file__).parents[3] / "docs" / "howto" / "tones.md").read_text()
    rows = [
        line.split("|")[1] for line in page.partition("## Faults")[2].splitlines() if "|" in line
    ]
    shown = [model for row in rows for model in re.findall(r"`([^`]+)`", row)]
    assert {fault.kind for model in shown for fault in parse_faults(model)} == set(Kind)


def test_faults_are_joined_by_a_plus() -> None:
    kinds = [fault.kind for fault in parse_faults("odd-chunks + drop@3w*1+hang-on-close")]
    assert kinds == [Kind.ODD_CHUNKS, Kind.DROP, Kind.HANG_ON_CLOSE]


@pytest.mark.parametrize(
    "model",
    [
        "nova-3",
        "drop@",
        "drop@3",
        "drop@-1w",
        "drop*",
        "drop*1@3w",
        "drop:5ms",
        "drop+",
        "+",
        "status",
        "status:200",
        "status:5s",
        "stall:5",
        "slow-first-byte",
        "slow-first-byte:1s@2w",
        "hang-on-close@1w",
        "odd-chunks@open",
        "odd-chunks@end",
        "hang-on-close@open",
        "drop/0",
        "drop*1/2",
        "drop@middle",
        "drop@3w drop",
        "Drop",
        "drop@٣w",
        "+".join(["drop"] * (MAX_FAULTS + 1)),
        "drop" + "#" + "x" * 300,
    ],
)
def test_what_is_not_of_the_grammar_is_refused_with_the_grammar(model: str) -> None:
    with pytest.raises(ProviderMisconfigured) as refused:
        parse_faults(model)
    assert GRAMMAR in str(refused.value)
    assert len(str(refused.value)) < 700


@pytest.mark.parametrize(
    ("model", "kind", "retryable"),
    [
        ("drop", ConnectionFailed, True),
        ("reset", NetworkFailed, True),
        ("garbage", ProviderRefused, False),
        ("status:401", ProviderAuthFailed, False),
        ("status:403", ProviderAuthFailed, False),
        ("status:404", ProviderRefused, False),
        ("status:408", ProviderTimeout, True),
        ("status:429", ProviderRefused, True),
        ("status:503", ProviderRefused, True),
        ("status:504", ProviderTimeout, True),
        ("status:599", ProviderRefused, False),
    ],
)
def test_a_fault_raises_what_a_vendors_failure_would(
    model: str, kind: type[ProviderError], retryable: bool
) -> None:
    (fault,) = parse_faults(model)
    error = error_of(fault)
    assert type(error) is kind
    assert error.retryable is retryable


def test_a_status_is_told_as_vendors_tell_it() -> None:
    error = error_of(Fault(Kind.STATUS, 503))
    assert error is not None
    assert error.tts_text.startswith("Provider error: API error (503 Service Unavailable): ")


@pytest.mark.parametrize("model", ["stall", "half-open", "odd-chunks", "hang-on-close"])
def test_a_fault_that_only_bothers_raises_nothing(model: str) -> None:
    assert error_of(parse_faults(model)[0]) is None


@pytest.mark.parametrize(
    ("place", "words", "audio_ms", "reached"),
    [
        (Place(2, Unit.WORDS), 1, 9_999.0, False),
        (Place(2, Unit.WORDS), 2, 0.0, True),
        (Place(500, Unit.MS), 99, 499.0, False),
        (Place(500, Unit.MS), 0, 500.0, True),
        (OPEN, 9, 9_999.0, False),
        (END, 9, 9_999.0, False),
    ],
)
def test_a_place_is_counted_in_its_own_unit(
    place: Place, words: int, audio_ms: float, reached: bool
) -> None:
    assert place.is_reached(words, audio_ms) is reached


def test_a_count_is_shared_by_everybody_who_asks_for_the_same() -> None:
    ledger = FaultLedger()
    first, second = ledger.plan("stt", "drop*2"), ledger.plan("stt", "drop*2")
    (fault,) = first.faults
    assert [first.happens(fault), second.happens(fault), first.happens(fault)] == [
        True,
        True,
        False,
    ]


def test_each_side_and_each_label_counts_for_itself() -> None:
    ledger = FaultLedger()
    asked = [("stt", "drop*1"), ("tts", "drop*1"), ("stt", "drop*1#me"), ("stt", "drop*1#you")]
    plans = [ledger.plan(*each) for each in asked]
    assert all(plan.happens(plan.faults[0]) for plan in plans)
    assert not any(plan.happens(plan.faults[0]) for plan in plans)


def test_without_a_count_it_happens_every_time() -> None:
    plan = FaultLedger().plan("stt", "reset")
    assert all(plan.happens(plan.faults[0]) for _ in range(5))


def test_every_nth_time_is_counted_by_the_times_its_place_was_reached() -> None:
    plan = FaultLedger().plan("stt", "drop/3*2")
    happened = [plan.happens(plan.faults[0]) for _ in range(12)]
    assert [number for number, it_did in enumerate(happened, 1) if it_did] == [3, 6]


def test_a_plan_gives_its_faults_by_kind() -> None:
    plan = FaultLedger().plan("stt", "drop@1w+stall+drop@2w")
    assert [fault.kind for fault in plan.of(Kind.DROP)] == [Kind.DROP, Kind.DROP]
    assert FaultLedger().plan("stt", "").faults == ()


def test_the_ledger_forgets_the_models_longest_unused() -> None:
    ledger = FaultLedger(max_models=2)
    for model in ("drop*1#a", "drop*1#b", "drop*1#a", "drop*1#c"):
        plan = ledger.plan("stt", model)
        plan.happens(plan.faults[0])
    kept = ledger.plan("stt", "drop*1#a")
    assert not kept.happens(kept.faults[0])
    forgotten = ledger.plan("stt", "drop*1#b")
    assert forgotten.happens(forgotten.faults[0])

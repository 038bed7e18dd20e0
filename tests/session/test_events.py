from sayna.session.events import Backlog, Problem, RepeatLimit
from sayna.speech.events import Transcript
from tests.fakes.session import HandClock


def drain(backlog: Backlog) -> list[object]:
    return [backlog.pop() for _ in range(len(backlog))]


def test_a_backlog_keeps_the_order() -> None:
    backlog = Backlog(3)
    for text in "abc":
        backlog.push(Problem(text))
    assert drain(backlog) == [Problem("a"), Problem("b"), Problem("c")]


def test_a_full_backlog_gives_up_its_oldest_interim_first() -> None:
    backlog = Backlog(3)
    final = Transcript("said", is_final=True)
    for event in (final, Transcript("sa"), Transcript("sai")):
        backlog.push(event)
    backlog.push(Problem("new"))
    assert drain(backlog) == [final, Transcript("sai"), Problem("new")]


def test_a_full_backlog_without_interims_gives_up_the_oldest() -> None:
    backlog = Backlog(2)
    for text in "abc":
        backlog.push(Problem(text))
    assert drain(backlog) == [Problem("b"), Problem("c")]


def test_the_same_text_is_let_through_once_in_an_interval() -> None:
    clock = HandClock()
    limit = RepeatLimit(clock, 1.0)
    assert [limit.allows("a"), limit.allows("a"), limit.allows("b")] == [True, False, True]
    clock.advance(0.99)
    assert not limit.allows("a")
    clock.advance(0.01)
    assert limit.allows("a")


def test_a_flood_of_different_texts_does_not_grow_the_memory() -> None:
    limit = RepeatLimit(HandClock(), 1.0)
    for number in range(10 * RepeatLimit.MAX_KINDS):
        assert limit.allows(str(number))
    assert len(limit._next_at) <= RepeatLimit.MAX_KINDS

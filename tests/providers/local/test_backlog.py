"""Audio that waits: nothing is lost while there is room, the oldest goes when there is none."""

from sayna.providers.local.backlog import BYTES_PER_MS, Backlog, Mark


def sound(ms: int, level: int = 1) -> bytes:
    return bytes([level]) * (ms * BYTES_PER_MS)


def test_audio_comes_out_as_it_went_in() -> None:
    backlog = Backlog(1_000)
    backlog.push(sound(10, 1))
    backlog.push(sound(10, 2))
    assert backlog.waiting_ms == 20
    assert backlog.pull(1_000_000) == sound(10, 1) + sound(10, 2)
    assert backlog.pull(1_000_000) is None
    assert backlog.waiting_ms == 0


def test_a_pull_takes_no_more_than_it_asks_for() -> None:
    backlog = Backlog(1_000)
    backlog.push(sound(30))
    assert backlog.pull(20 * BYTES_PER_MS) == sound(20)
    assert backlog.waiting_ms == 10
    assert backlog.pull(20 * BYTES_PER_MS) == sound(10)


def test_marks_keep_their_place_among_the_audio() -> None:
    backlog = Backlog(1_000)
    backlog.push(sound(10, 1))
    backlog.mark(Mark.FINALIZE)
    backlog.push(sound(10, 2))
    backlog.mark(Mark.FINISH)
    pulled = [backlog.pull(1_000_000) for _ in range(5)]
    assert pulled == [sound(10, 1), Mark.FINALIZE, sound(10, 2), Mark.FINISH, None]


def test_the_same_mark_twice_in_a_row_is_given_once() -> None:
    backlog = Backlog(1_000)
    for _ in range(1_000):
        backlog.mark(Mark.FINALIZE)
    assert backlog.pull(1) is Mark.FINALIZE
    assert backlog.pull(1) is None


def test_the_oldest_audio_makes_room_and_is_counted() -> None:
    backlog = Backlog(100)
    backlog.push(sound(60, 1))
    backlog.push(sound(60, 2))
    assert backlog.waiting_ms == 100
    assert backlog.dropped_ms == 20
    assert backlog.pull(1_000_000) == sound(40, 1) + sound(60, 2)


def test_a_piece_longer_than_the_limit_keeps_its_end() -> None:
    backlog = Backlog(100)
    backlog.push(sound(50, 1) + sound(100, 2))
    assert backlog.pull(1_000_000) == sound(100, 2)
    assert backlog.dropped_ms == 50


def test_marks_survive_the_audio_around_them() -> None:
    backlog = Backlog(10)
    for _ in range(100):
        backlog.push(sound(10))
        backlog.mark(Mark.FINALIZE)
    backlog.push(sound(10, 2))
    pulled = [backlog.pull(1_000_000) for _ in range(3)]
    assert pulled == [Mark.FINALIZE, sound(10, 2), None]


def test_nothing_pushed_is_nothing_kept() -> None:
    backlog = Backlog(10)
    backlog.push(b"")
    assert backlog.pull(10) is None


def test_audio_that_never_came_in_counts_as_dropped() -> None:
    backlog = Backlog(100)
    backlog.lose(250.0)
    assert backlog.dropped_ms == 250.0
    assert backlog.pull(1000) is None

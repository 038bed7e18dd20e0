from dataclasses import replace

from sayna.session.tail import MAX_KEPT_BYTES, Tail
from sayna.speech.options import RecognizerOptions

OPTIONS = RecognizerOptions("scripted", sample_rate=8_000)
MS = 16  # bytes


def sound(number: int, ms: int = 20) -> bytes:
    return bytes([number % 256]) * (ms * MS)


def test_the_tail_is_bounded_by_duration_whatever_the_messages() -> None:
    for options in (
        OPTIONS,
        replace(OPTIONS, channels=2),
        replace(OPTIONS, encoding="mulaw"),
        replace(OPTIONS, encoding="linear32", sample_rate=48_000),
    ):
        tail = Tail(options)
        for size in (320, 641, 1, 7777, 320_000, 3_000_000, 12, 640):
            tail.push(bytes(size))
            duration_ms = tail.duration_ms(len(tail))
            assert duration_ms is not None
            assert duration_ms <= 2000
            assert sum(map(len, tail.messages())) <= len(tail)


def test_a_message_longer_than_the_tail_leaves_its_end() -> None:
    tail = Tail(OPTIONS)
    tail.push(sound(1, 1000) + sound(2, 2000))
    assert tail.messages() == [sound(2, 2000)]
    assert tail.dropped_bytes == 1000 * MS
    tail.push(sound(3))
    assert tail.messages() == [sound(3)]


def test_a_replay_begins_with_a_whole_frame_of_all_channels() -> None:
    tail = Tail(replace(OPTIONS, channels=2))  # four bytes a frame
    tail.push(b"abcd" * 10 + b"ab")
    tail.forget()
    tail.push(b"c")
    tail.push(b"dABCD")
    assert b"".join(tail.messages()) == b"ABCD"
    tail.forget()
    assert tail.messages() == []
    assert len(tail) == 0


def test_absurd_rates_and_channels_buy_no_memory() -> None:
    tail = Tail(replace(OPTIONS, sample_rate=2**32 - 1, channels=2**16 - 1))
    for _ in range(5):
        tail.push(bytes(MAX_KEPT_BYTES // 2))
    assert len(tail) == MAX_KEPT_BYTES


def test_audio_of_unknown_duration_is_not_kept() -> None:
    tail = Tail(replace(OPTIONS, encoding="opus"))
    tail.push(b"abc")
    assert tail.messages() == []
    assert tail.dropped_bytes == 3
    assert tail.duration_ms(3) is None

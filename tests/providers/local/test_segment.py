"""Where speech begins and ends, on made-up sound; no clock runs."""

import numpy as np
import pytest

from sayna.providers.local.segment import BYTES_PER_MS, Pauses, Room, Segment, Segmenter, level_db

GENERATOR = np.random.default_rng(1)


def noise(ms: int, level: float) -> bytes:
    """Return white noise of about that loudness in dB below full scale."""
    samples = GENERATOR.standard_normal(16 * ms) * 32_768 * 10 ** (level / 20)
    return np.clip(samples, -32_768, 32_767).astype("<i2").tobytes()


def speech(ms: int) -> bytes:
    return noise(ms, -20)


def silence(ms: int) -> bytes:
    return bytes(ms * BYTES_PER_MS)


def test_loudness_is_measured_below_full_scale() -> None:
    assert level_db(b"") == -120
    assert level_db(silence(20)) == -120
    assert level_db(np.full(320, 32_767, "<i2").tobytes()) == pytest.approx(0, abs=0.01)
    assert level_db(np.full(320, 3_277, "<i2").tobytes()) == pytest.approx(-20, abs=0.01)


def test_a_sentence_between_silences_is_one_segment() -> None:
    segmenter = Segmenter()
    closed = segmenter.feed(silence(1_000) + speech(1_500) + silence(1_000))
    (segment,) = closed
    assert segment.is_speech_final
    assert segment.has_speech
    assert 1_500 + 600 <= len(segment.pcm) / BYTES_PER_MS <= 1_500 + 600 + 300
    assert segmenter.open_ms == 0
    assert segmenter.open_segment == b""


def test_two_sentences_are_two_segments() -> None:
    closed = Segmenter().feed((silence(700) + speech(500)) * 2 + silence(700))
    assert len(closed) == 2


def test_a_pause_within_a_sentence_does_not_end_it() -> None:
    closed = Segmenter().feed(speech(500) + silence(400) + speech(500) + silence(700))
    assert len(closed) == 1


def test_a_click_is_not_speech() -> None:
    segmenter = Segmenter()
    assert segmenter.feed((speech(60) + silence(700)) * 5) == []
    assert segmenter.close() is None


def test_silence_forever_keeps_nothing_but_the_lead() -> None:
    segmenter = Segmenter()
    segmenter.feed(silence(60_000))
    assert len(segmenter._kept) <= 300 * BYTES_PER_MS


@pytest.mark.parametrize("chunk_bytes", [1, 333, 640, 9_999])
def test_results_do_not_depend_on_how_audio_is_cut(chunk_bytes: int) -> None:
    audio = silence(500) + speech(800) + silence(900) + speech(400) + silence(700)
    whole = Segmenter().feed(audio)
    segmenter = Segmenter()
    pieces: list[Segment] = []
    for at in range(0, len(audio), chunk_bytes):
        pieces += segmenter.feed(audio[at : at + chunk_bytes])
    assert pieces == whole
    assert len(whole) == 2


def test_speech_without_a_pause_is_cut_at_the_longest() -> None:
    segmenter = Segmenter(Pauses(longest_ms=2_000))
    closed = segmenter.feed(speech(5_000))
    assert [segment.is_speech_final for segment in closed] == [False, False]
    assert [len(segment.pcm) / BYTES_PER_MS for segment in closed] == [2_000, 2_000]


def test_silence_behind_such_a_cut_says_only_that_speech_is_over() -> None:
    segmenter = Segmenter(Pauses(longest_ms=2_000))
    closed = segmenter.feed(speech(2_000) + silence(700))
    assert [(s.is_speech_final, s.has_speech) for s in closed] == [(False, True), (True, False)]


def test_closing_ends_the_open_segment_at_once() -> None:
    segmenter = Segmenter()
    segmenter.feed(speech(505))
    assert segmenter.open_ms == 500
    assert len(segmenter.open_segment) == 500 * BYTES_PER_MS
    segment = segmenter.close()
    assert segment is not None
    assert len(segment.pcm) / BYTES_PER_MS == 505
    assert segmenter.close() is None


def test_speech_is_heard_above_a_noisy_room() -> None:
    room = noise(30_000, -45)
    segmenter = Segmenter()
    segmenter.feed(room)
    segmenter.close()
    (segment,) = segmenter.feed(noise(500, -45) + speech(1_000) + noise(1_000, -45))
    assert segment.is_speech_final


def test_the_room_is_followed_down_at_once_and_up_slowly() -> None:
    room = Room()
    assert room.follow(-80) == -80
    assert room.follow(-20) == pytest.approx(-79.97)
    assert room.follow(-120) == -90

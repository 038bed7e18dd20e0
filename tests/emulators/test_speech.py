"""The voices of the emulators."""

import numpy as np
import pytest

from tests.emulators.speech import MS_PER_CHARACTER, Hum, Song, Sound, encode, index_of


@pytest.mark.parametrize("speed", [0.7, 1.0, 1.5])
def test_a_hum_lasts_as_long_as_its_text(speed: float) -> None:
    samples = Hum().render("0123456789", 16_000, speed, 0)
    assert len(samples) == round(10 * MS_PER_CHARACTER / 1000 / speed * 16_000)


def test_a_hum_tells_which_utterance_it_is() -> None:
    for index in (0, 1, 17, 31):
        samples = Hum().render("hello there", 16_000, 1.0, index)
        assert index_of(samples[1000:1320]) == index


@pytest.mark.parametrize("voice", [Hum(), Song()])
def test_the_same_text_is_the_same_audio(voice: Hum | Song) -> None:
    first, second = (voice.render("again and again", 8_000, 1.0, 3) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, voice.render("something else", 8_000, 1.0, 3)[: len(first)])


def test_a_song_is_slower_when_asked() -> None:
    fast, slow = (len(Song().render("one two", 16_000, speed, 0)) for speed in (1.5, 0.7))
    assert fast < slow
    assert len(Song().render("  ", 16_000, 1.0, 0)) == 0


@pytest.mark.parametrize(("encoding", "size"), [("linear16", 2), ("mulaw", 1), ("alaw", 1)])
def test_raw_audio_has_the_bytes_it_says(encoding: str, size: int) -> None:
    samples = Hum().render("hi", 8_000, 1.0, 0)
    assert len(encode(samples, encoding)) == size * len(samples)
    assert Sound(encoding, 8_000).bytes_per_s == size * 8_000

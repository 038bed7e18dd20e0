"""A thousand sentences through real lines: not one word may be wrong."""

from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest

from sayna.audio import g711
from sayna.providers.tones.demodulator import RATE_HZ
from tests.providers.tones.singing import (
    Samples,
    at_telephone_rate,
    level_db,
    louder,
    mixed,
    noise,
    sentences,
    silence,
    sing,
    words_in,
)

COUNT = 1_000
SEED = 2026
OPUS_RATE_HZ = 24_000
OPUS_BITS_PER_S = 24_000
DECODED_RATE_HZ = 48_000


def through_opus(samples: Samples, application: str = "voip") -> Samples:
    """Return what a decoder at 48 kHz makes of mono at 24 kHz, coded with 24 kbit/s."""
    coder = av.CodecContext.create("libopus", "w")
    assert isinstance(coder, av.AudioCodecContext)
    coder.sample_rate, coder.layout, coder.format = OPUS_RATE_HZ, "mono", "s16"
    coder.bit_rate = OPUS_BITS_PER_S
    coder.options = {"application": application}
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = DECODED_RATE_HZ, "mono"
    coder.open()
    size = coder.frame_size
    samples = np.concatenate((samples, silence(200, OPUS_RATE_HZ)))
    heard: list[Samples] = []
    for at in range(0, samples.size - size + 1, size):
        frame = av.AudioFrame.from_ndarray(samples[None, at : at + size], "s16", "mono")
        frame.sample_rate, frame.pts = OPUS_RATE_HZ, at
        for packet in coder.encode(frame):
            decoded = (each.to_ndarray() for each in decoder.decode(packet))
            heard.extend(each.reshape(-1).astype(np.int16) for each in decoded)
    return np.concatenate(heard)


def words_through_opus(text: str, application: str = "voip") -> list[str]:
    line = through_opus(sing(text, OPUS_RATE_HZ), application)
    return [word.text for word in words_in(at_telephone_rate(line, DECODED_RATE_HZ), 1_600)]


def through_mulaw(samples: Samples) -> Samples:
    return g711.decode_mulaw(g711.encode_mulaw(samples))


@pytest.fixture(scope="module")
def talk() -> list[str]:
    return sentences(COUNT, SEED)


def test_the_sentences_are_of_every_kind(talk: list[str]) -> None:
    letters = "".join(talk)
    assert len(talk) == COUNT
    assert {"a", "Z", "7", ",", "ß", "ж", "ω", "日", "🚀"} <= set(letters)


def test_a_thousand_sentences_survive_8_khz_mulaw(talk: list[str]) -> None:
    wrong = [
        text
        for text in talk
        if [word.text for word in words_in(through_mulaw(sing(text)), 1_600)] != text.split()
    ]
    assert wrong == []


@pytest.mark.slow
def test_a_thousand_sentences_survive_24_khz_opus(talk: list[str]) -> None:
    texts = [" ".join(talk[at : at + 50]) for at in range(0, COUNT, 50)]  # a coder has a past
    with ThreadPoolExecutor(2) as lines:
        heard = list(lines.map(words_through_opus, texts))
    assert [" ".join(words) for words in heard] == texts


@pytest.mark.parametrize("application", ["voip", "audio", "lowdelay"])
def test_opus_may_be_tuned_for_anything(talk: list[str], application: str) -> None:
    text = " ".join(talk[:15])
    assert words_through_opus(text, application) == text.split()


def test_everything_at_once_is_survived(talk: list[str]) -> None:
    text = " ".join(talk[:60])
    sung = louder(sing(text), -12)
    other = louder(sing(" ".join(talk[60:130])), -32)[: sung.size]
    line = mixed(mixed(sung, other, at=700), noise(sung.size, level_db(sung) - 20))
    decoded = g711.decode_alaw(g711.encode_alaw(through_mulaw(line)))
    assert decoded.size >= RATE_HZ
    assert [word.text for word in words_in(decoded, 1_600)] == text.split()

"""What the tests of `tones` share: texts, voices without a loop, ears without a session."""

import random
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sayna.audio.resample import Resampler
from sayna.providers.tones.alphabet import spell
from sayna.providers.tones.chords import render_piece
from sayna.providers.tones.demodulator import RATE_HZ, Demodulator, Word
from sayna.providers.tones.faults import FaultLedger
from sayna.providers.tones.recognizer import TonesRecognizer
from sayna.settings.vendors import Providers
from sayna.speech.events import SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions

Samples = NDArray[np.int16]

LETTERS = (
    ("abcdefghijklmnopqrstuvwxyz", 60),
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 10),
    ("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", 10),
    ("àâäåæçéèêëíñóöøßúüœšžğ", 8),
    ("абвгдежзийклмнопрстуфхцчшщъыьэюя", 6),
    ("αβγδεζηθικλμνξοπρστυφχψω", 3),
    ("日本語中文字한국어ไทย", 2),
    ("😀🎉👩\u200d🚀", 1),
)


LISTENING = RecognizerOptions("tones", sample_rate=RATE_HZ)


def sentences(count: int, seed: int) -> list[str]:
    """Make sentences of 3 to 9 words; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - the same every time
    pools, weights = [pool for pool, _ in LETTERS], [weight for _, weight in LETTERS]

    def word() -> str:
        pool = chance.choices(pools, weights)[0]
        end = chance.choice(("", "", "", "", ",", ".", "!", "?"))
        return "".join(chance.choices(pool, k=chance.randint(1, 9))) + end

    return [" ".join(word() for _ in range(chance.randint(3, 9))) for _ in range(count)]


def sing(text: str, rate: int = RATE_HZ, gap_s: float = 0.06) -> Samples:
    """Return the samples of a text."""
    pieces = [piece for word in text.split() for piece in spell(word)]
    return np.concatenate([render_piece(piece, rate, gap_s) for piece in pieces])


def at_telephone_rate(samples: Samples, rate: int) -> Samples:
    """Resample to 8 kHz."""
    resampler = Resampler(rate, RATE_HZ)
    return np.concatenate((resampler.feed(samples), resampler.finish()))


def words_in(samples: Samples, cut: int = 0) -> list[Word]:
    """Read 8 kHz samples, all at once or in pieces."""
    demodulator = Demodulator()
    step = cut or max(1, samples.size)
    words: list[Word] = []
    for at in range(0, samples.size, step):
        words += demodulator.feed(samples[at : at + step])
    return words + demodulator.finish()


def text_in(samples: Samples, cut: int = 0) -> str:
    """Read 8 kHz samples as a text."""
    return " ".join(word.text for word in words_in(samples, cut))


def mixed(one: Samples, other: Samples, at: int = 0) -> Samples:
    """Lay one sound over another, from a sample on."""
    total = np.zeros(max(one.size, at + other.size), np.int32)
    total[: one.size] = one
    total[at : at + other.size] += other
    clipped: Samples = np.clip(total, -32_768, 32_767).astype(np.int16)
    return clipped


def louder(samples: Samples, decibels: float) -> Samples:
    """Change the volume."""
    changed: Samples = np.rint(samples * 10 ** (decibels / 20)).astype(np.int16)
    return changed


def noise(size: int, level_db: float, seed: int = 1) -> Samples:
    """Return white noise so far below full scale."""
    wide = np.random.default_rng(seed).normal(size=size) * 32_767 * 10 ** (level_db / 20)
    return np.clip(wide, -32_768, 32_767).astype(np.int16)


def level_db(samples: Samples) -> float:
    """Return the power below full scale, dB."""
    return float(10 * np.log10(np.mean((samples / 32_768.0) ** 2)))


def open_ear(
    model: str = "", settings: Providers | None = None, options: RecognizerOptions = LISTENING
) -> TonesRecognizer:
    """Return a recognizer of 8 kHz linear16, or as the options say."""
    plan = FaultLedger().plan("stt", model)
    return TonesRecognizer(options, settings or Providers(), plan)


async def heard(recognizer: TonesRecognizer) -> list[SpeechEvent]:
    """Read until the end."""
    return [event async for event in recognizer.events()]


def final_text(events: Iterable[SpeechEvent]) -> str:
    """Join the finals."""
    finals = [event for event in events if isinstance(event, Transcript) and event.is_final]
    return " ".join(event.text for event in finals if event.text)


def silence(ms: float, rate: int = RATE_HZ) -> Samples:
    """Return so much of nothing."""
    return np.zeros(round(ms * rate / 1000), np.int16)

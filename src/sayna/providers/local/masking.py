"""A caller's speech as pocketsphinx likes to hear it: at one level, over a whisper of noise.

Its model was trained on recordings of rooms. Telephone audio is empty above 4 kHz and synthetic
speech is silent between the words; both drive its logarithms to values it never saw, and so does
speech that is much louder or softer than the recordings were. `bench/local_engines.py` counts how
many sentences of a closed grammar come back word for word, by voice and by what carried them.
"""

import numpy as np
from numpy.typing import NDArray

LEVEL = 1_200.0
"""Root mean square that speech is brought to; full scale is 32 768."""
NOISE = 0.03 * LEVEL
MAX_GAIN = 8.0
DECAY = 0.99
"""Of the remembered level, for each piece of 30 ms: soft speakers are raised within seconds."""
_NOISE_SAMPLES = 16_000


class Masking:
    """Level and noise for one caller."""

    def __init__(self) -> None:
        noise: NDArray[np.float32] = np.random.default_rng(7).standard_normal(
            _NOISE_SAMPLES, dtype=np.float32
        )
        self._noise = noise * np.float32(NOISE)  # always the same: heard twice, understood alike
        self._at = 0
        self._level = LEVEL

    def apply(self, pcm: bytes) -> bytes:
        """Return the s16le samples at our level and with noise added."""
        samples = np.frombuffer(pcm, "<i2").astype(np.float32)
        if samples.size == 0:
            return pcm
        self._level = max(self._level * DECAY, float(np.sqrt(np.mean(samples * samples))))
        gain = min(LEVEL / self._level, MAX_GAIN)
        noisy = samples * np.float32(gain) + self._take(samples.size)
        clipped: NDArray[np.int16] = np.clip(noisy, -32_768, 32_767).astype("<i2")
        return clipped.tobytes()

    def _take(self, count: int) -> NDArray[np.float32]:
        places = np.arange(self._at, self._at + count) % _NOISE_SAMPLES
        self._at = (self._at + count) % _NOISE_SAMPLES
        taken: NDArray[np.float32] = self._noise[places]
        return taken

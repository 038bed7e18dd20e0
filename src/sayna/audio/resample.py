"""Change the sample rate of a stream of mono samples, piece by piece."""

import numpy as np
import soxr  # pyright: ignore[reportMissingTypeStubs] - no stubs exist
from numpy.typing import NDArray

Samples = NDArray[np.int16]
_NOTHING: Samples = np.empty(0, np.int16)


class Resampler:
    """One stream from one rate to another; between equal rates it costs nothing.

    Output lags by a tenth of a second at most until `finish`. How the input was cut changes no
    more than the dithered last bit.

    Args:
        from_rate: Hz.
        to_rate: Hz.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._stream: soxr.ResampleStream | None = None
        if from_rate != to_rate:
            self._stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="int16", quality="HQ")

    def feed(self, samples: Samples) -> Samples:
        """Take the next mono samples, return those that are ready."""
        if self._stream is None or samples.size == 0:
            return samples
        return self._convert(self._stream, samples, last=False)

    def finish(self) -> Samples:
        """Return what the filter still held; the stream takes nothing after this."""
        if self._stream is None:
            return _NOTHING
        return self._convert(self._stream, _NOTHING, last=True)

    @staticmethod
    def _convert(stream: soxr.ResampleStream, samples: Samples, *, last: bool) -> Samples:
        return np.asarray(stream.resample_chunk(samples, last=last), np.int16)

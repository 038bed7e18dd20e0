"""Real MP3, Opus, FLAC and AAC, made once for each text and kept."""

# pyright: reportUnknownMemberType=false
# PyAV leaves some of its types open.

import io
from fractions import Fraction
from functools import lru_cache
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

_CONTAINERS = {"mp3": "mp3", "opus": "ogg", "flac": "flac", "aac": "adts"}
_CODECS = {"mp3": "libmp3lame", "opus": "libopus", "flac": "flac", "aac": "aac"}


def compress(samples: NDArray[np.int16], rate: int, encoding: str, bit_rate: int | None) -> bytes:
    """Return a file of the encoding's usual kind, mono."""
    return _compress(samples.tobytes(), rate, encoding, bit_rate)


@lru_cache(maxsize=64)
def _compress(pcm: bytes, rate: int, encoding: str, bit_rate: int | None) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=_CONTAINERS[encoding]) as output:
        stream = cast("AudioStream", output.add_stream(_CODECS[encoding], rate=rate, layout="mono"))
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2")[None, :], "s16", "mono")
        frame.sample_rate = rate
        frame.time_base = Fraction(1, rate)
        frame.pts = 0
        resampler = av.AudioResampler(
            stream.codec_context.format, "mono", rate, stream.codec_context.frame_size or None
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file.getvalue()

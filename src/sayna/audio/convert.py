"""From whatever a client sends to s16le mono, and from s16le mono to whatever a client wants."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sayna.audio import g711
from sayna.audio.formats import SPEECH_IN, SPEECH_OUT, sample_bytes
from sayna.audio.resample import Resampler
from sayna.audio.wav import render_header

Samples = NDArray[np.int16]

INBOUND_RATES_HZ = (8_000, 192_000)
OUTBOUND_RATES_HZ = (8_000, 48_000)
MAX_CHANNELS = 8


def _from_linear16(audio: bytes) -> Samples:
    return np.frombuffer(audio, "<i2").astype(np.int16, copy=False)


def _from_linear32(audio: bytes) -> Samples:
    """Read 32-bit floats in [-1, 1]; what is not a number is silence, what is louder is clipped."""
    wide = np.nan_to_num(np.frombuffer(audio, "<f4"), nan=0.0, posinf=1.0, neginf=-1.0)
    samples: Samples = (np.clip(wide, -1.0, 1.0) * 32_767).astype(np.int16)
    return samples


_DECODERS: dict[str, Callable[[bytes], Samples]] = {
    "linear16": _from_linear16,
    "pcm": _from_linear16,
    "mulaw": g711.decode_mulaw,
    "ulaw": g711.decode_mulaw,
    "alaw": g711.decode_alaw,
    "linear32": _from_linear32,
}


def _to_linear16(samples: Samples) -> bytes:
    return samples.astype("<i2", copy=False).tobytes()


_ENCODERS: dict[str, Callable[[Samples], bytes]] = {
    "linear16": _to_linear16,
    "pcm": _to_linear16,
    "wav": _to_linear16,
    "mulaw": g711.encode_mulaw,
    "ulaw": g711.encode_mulaw,
    "alaw": g711.encode_alaw,
}


def _check_range(field: str, value: int, lowest: int, highest: int) -> None:
    if not lowest <= value <= highest:
        raise ValueError(f"{field} must be {lowest} to {highest}, not {value}")


class Inbound:
    """A caller's audio stream as s16le mono at the rate that an engine wants.

    Channels are mixed to their mean. Input may be cut anywhere, even within a sample.

    Args:
        encoding: one of `formats.SPEECH_IN`; `linear32` is 32-bit float, little endian.
        rate: Hz, 8000 to 192000.
        channels: 1 to 8, interleaved.
        to_rate: Hz.

    Raises:
        ValueError: an argument is impossible; the text names the field of `stt_config`.
    """

    def __init__(self, encoding: str, rate: int, channels: int, to_rate: int) -> None:
        if encoding not in _DECODERS:
            known = ", ".join(SPEECH_IN)
            raise ValueError(f"stt_config.encoding must be one of {known}, not {encoding[:40]!r}")
        _check_range("stt_config.sample_rate", rate, *INBOUND_RATES_HZ)
        _check_range("stt_config.channels", channels, 1, MAX_CHANNELS)
        self._decode = _DECODERS[encoding]
        self._channels = channels
        self._frame_bytes = (sample_bytes(encoding) or 1) * channels
        self.bytes_per_s = self._frame_bytes * rate
        """Of the input."""
        self._carried = b""
        self._rates = (rate, to_rate)
        self._resampler = Resampler(rate, to_rate)
        self._as_is = rate == to_rate and channels == 1 and encoding in {"linear16", "pcm"}

    def feed(self, audio: bytes) -> bytes:
        """Take the next bytes, return what is ready, in whole samples."""
        if self._carried:
            audio = self._carried + audio
        whole = len(audio) - len(audio) % self._frame_bytes
        self._carried = audio[whole:]
        if self._carried:
            audio = audio[:whole]
        if self._as_is or not audio:
            return audio
        return _to_linear16(self._resampler.feed(self._mix(self._decode(audio))))

    def skip(self, audio: bytes, limit_s: float) -> bytes:
        """Return the end of the next bytes, at most so many seconds; `feed` takes it up from there.

        For audio of which only the end is wanted: what is left out is not converted.
        """
        excess = len(audio) - int(limit_s * self.bytes_per_s)
        if excess <= 0:
            return audio
        # the next frame begins where the carried bytes say, wherever the cut is
        excess += -(len(self._carried) + excess) % self._frame_bytes
        self._carried = b""
        return audio[excess:]

    def flush(self) -> bytes:
        """Return what the resampler held, a tenth of a second at most; the stream may go on."""
        held = _to_linear16(self._resampler.finish())
        self._resampler = Resampler(*self._rates)
        return held

    def finish(self) -> bytes:
        """Return what the resampler held; a fraction of a sample is dropped."""
        self._carried = b""
        return _to_linear16(self._resampler.finish())

    def _mix(self, samples: Samples) -> Samples:
        if self._channels == 1:
            return samples
        total = samples[:: self._channels].astype(np.int32)
        for channel in range(1, self._channels):  # several times faster than a sum over an axis
            total += samples[channel :: self._channels]
        mixed: Samples = (total // self._channels).astype(np.int16)
        return mixed


class Outbound:
    """An engine's s16le mono as the audio that a client asked for, as one stream or one file.

    `wav` opens with a header of unknown length (see `wav.settle_header` for whole answers).

    Args:
        from_rate: Hz, of the engine.
        audio_format: one of `formats.SPEECH_OUT`.
        rate: Hz, 8000 to 48000.

    Raises:
        ValueError: an argument is impossible; the text names the field of `tts_config`.
    """

    def __init__(self, from_rate: int, audio_format: str, rate: int) -> None:
        check_outbound(audio_format, rate)
        self._encode = _ENCODERS[audio_format]
        self._resampler = Resampler(from_rate, rate)
        self._header = render_header(rate) if audio_format == "wav" else b""
        self._carried = b""

    def feed(self, audio: bytes) -> bytes:
        """Take the next s16le bytes, return what is ready."""
        if self._carried:
            audio = self._carried + audio
        whole = len(audio) - len(audio) % 2
        self._carried = audio[whole:]
        return self._with_header(self._resampler.feed(_from_linear16(audio[:whole])))

    def finish(self) -> bytes:
        """Return the rest of the utterance."""
        return self._with_header(self._resampler.finish())

    def _with_header(self, samples: Samples) -> bytes:
        header, self._header = self._header, b""
        return header + self._encode(samples)


def check_outbound(audio_format: str, rate: int) -> None:
    """Refuse what `Outbound` cannot make.

    Raises:
        ValueError: naming the field of `tts_config`.
    """
    if audio_format not in _ENCODERS:
        known = ", ".join(SPEECH_OUT)
        raise ValueError(
            f"tts_config.audio_format must be one of {known}, not {audio_format[:40]!r}"
        )
    _check_range("tts_config.sample_rate", rate, *OUTBOUND_RATES_HZ)

"""Cut a synthesizer's audio into frames of 10 ms, whatever pieces it came in."""

from sayna.audio.formats import is_raw, sample_bytes


class Cutter:
    """Raw audio of one utterance in, equal frames out; containers and codecs pass as they come.

    Args:
        audio_format: as `tts_config.audio_format` names it.
        rate: Hz.
    """

    def __init__(self, audio_format: str, rate: int) -> None:
        width = sample_bytes(audio_format) or 1
        self.frame_bytes = max(1, rate // 100) * width if is_raw(audio_format) else None
        """Size of every frame but the last; None when pieces pass as they come."""
        self._carried = b""

    def feed(self, audio: bytes) -> list[bytes]:
        """Take the next piece, return the frames that are whole."""
        if self.frame_bytes is None:
            return [audio] if audio else []
        if self._carried:
            audio = self._carried + audio
        size = self.frame_bytes
        whole = len(audio) - len(audio) % size
        self._carried = audio[whole:]
        return [audio[start : start + size] for start in range(0, whole, size)]

    def finish(self) -> bytes:
        """Return the last, shorter frame; empty when there is none."""
        rest, self._carried = self._carried, b""
        return rest

"""A voice that takes a text while it is being written, whatever stands in front of its engine."""

from collections.abc import AsyncGenerator, AsyncIterator

from sayna.speech.protocols import AudioFormat, Synthesizer, TextStreaming, Watched


class StreamedVoice:
    """Says whole texts with one synthesizer, and those that are being written with another.

    Args:
        whole: remembers, cuts into parts, ...
        streaming: the engine itself: what it says of a text in pieces nobody can say again.
    """

    def __init__(self, whole: Synthesizer, streaming: TextStreaming) -> None:
        self._whole = whole
        self._streaming = streaming
        self._watched = streaming if isinstance(streaming, Watched) else None

    @property
    def audio_format(self) -> AudioFormat:
        """That of both."""
        return self._whole.audio_format

    @property
    def stall_limit_s(self) -> float | None:
        """That of the engine, in seconds; None when it has none."""
        return None if self._watched is None else self._watched.stall_limit_s

    @property
    def signs_of_life(self) -> int:
        """Those of the engine; 0 when it shows none."""
        return 0 if self._watched is None else self._watched.signs_of_life

    def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Say a whole text.

        Raises:
            ProviderError: as the voice within does.
        """
        return self._whole.speak(text)

    def speak_stream(self, texts: AsyncIterator[str]) -> AsyncGenerator[bytes, None]:
        """Say a text that comes in pieces.

        Raises:
            ProviderError: as the engine does.
        """
        return self._streaming.speak_stream(texts)


def with_streaming(voice: Synthesizer, engine: Synthesizer) -> Synthesizer:
    """Return the voice, able to take a text in pieces when the engine behind it is."""
    return StreamedVoice(voice, engine) if isinstance(engine, TextStreaming) else voice

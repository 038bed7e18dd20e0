"""One caller before one decoder: audio in, transcripts out. Runs in the worker process."""

from collections.abc import Callable, Iterator
from typing import Protocol

from sayna.providers.local.masking import Masking
from sayna.speech.events import Transcript

CONFIDENCE = 0.5
"""Of every final: the decoder's own figure does not tell right from wrong."""
MAX_UTTERANCE_BYTES = 30 * 32_000
"""30 s without a pause; then the text so far is final and a new segment begins."""

SPOTTING_LAG_BYTES = 9_600
"""A phrase is spotted up to 0.3 s after its last sound."""


class Hypothesis(Protocol):
    """What a decoder believes it heard."""

    @property
    def hypstr(self) -> str:
        """The words, single spaces or more between them."""
        ...


class Decoder(Protocol):
    """`pocketsphinx.Decoder`, as far as it is used here."""

    def start_utt(self) -> None:
        """Begin an utterance."""
        ...

    def end_utt(self) -> None:
        """End it: what `hyp` tells is then the last word on it."""
        ...

    def process_raw(self, data: bytes) -> int:
        """Decode s16le mono at 16 kHz."""
        ...

    def hyp(self) -> Hypothesis | None:
        """Tell what was heard so far."""
        ...


class Endpointer(Protocol):
    """`pocketsphinx.Endpointer`, as far as it is used here."""

    @property
    def frame_bytes(self) -> int:
        """Size of each frame, 30 ms."""
        ...

    @property
    def in_speech(self) -> bool:
        """Whether somebody speaks."""
        ...

    def process(self, frame: bytes) -> bytes | None:
        """Take a frame; return the speech that it brought to light."""
        ...

    def end_stream(self, frame: bytes) -> bytes | None:
        """Take what is left, at least one sample; return the rest of the speech."""
        ...


class Ear:
    """Finds where speech begins and ends, and has it decoded.

    Args:
        decoder: for this caller alone while the ear is in use.
        new_endpointer: makes a detector of speech for s16le mono at 16 kHz.
        spots_phrases: a phrase is final the moment it is heard, not when the speaker pauses.
    """

    def __init__(
        self, decoder: Decoder, new_endpointer: Callable[[], Endpointer], *, spots_phrases: bool
    ) -> None:
        self._decoder = decoder
        self._new_endpointer = new_endpointer
        self._spots_phrases = spots_phrases
        self._endpointer = new_endpointer()
        self._masking = Masking()
        self._carried = b""
        self._is_open = False
        self._interim = ""
        self._utterance_bytes = 0

    def accept(self, pcm: bytes) -> Iterator[Transcript]:
        """Take s16le mono at 16 kHz, cut anywhere; yield what became known."""
        self._carried += pcm
        size = self._endpointer.frame_bytes
        whole = len(self._carried) - len(self._carried) % size
        frames, self._carried = self._carried[:whole], self._carried[whole:]
        for start in range(0, whole, size):
            speech = self._endpointer.process(frames[start : start + size])
            if speech is not None:
                yield from self._decode(speech)
                if not self._endpointer.in_speech:
                    yield from self._close()

    def finalize(self) -> Iterator[Transcript]:
        """End the segment here, whether or not the speaker pauses."""
        rest = self._endpointer.end_stream(self._carried or bytes(2))
        self._carried = b""
        self._endpointer = self._new_endpointer()
        if rest is not None:
            yield from self._decode(rest)
        if self._is_open and self._spots_phrases:
            yield from self._decode(bytes(SPOTTING_LAG_BYTES))
        yield from self._close()

    def abandon(self) -> None:
        """Leave the decoder ready for somebody else."""
        if self._is_open:
            self._is_open = False
            self._decoder.end_utt()

    def _decode(self, speech: bytes) -> Iterator[Transcript]:
        if not self._is_open:
            self._decoder.start_utt()
            self._is_open = True
        self._decoder.process_raw(self._masking.apply(speech))
        self._utterance_bytes += len(speech)
        text = self._text()
        if self._spots_phrases:
            if text:
                yield from self._close()
        elif text and text != self._interim:
            self._interim = text
            yield Transcript(text)
        if self._utterance_bytes >= MAX_UTTERANCE_BYTES:
            yield from self._close(speaker_stopped=False)

    def _close(self, *, speaker_stopped: bool = True) -> Iterator[Transcript]:
        """End the utterance; an empty final is told only to take an interim back."""
        if not self._is_open:
            return
        self._is_open = False
        self._decoder.end_utt()
        text, interim = self._text(), self._interim
        self._interim, self._utterance_bytes = "", 0
        if text:
            yield Transcript(text, True, speaker_stopped, CONFIDENCE)
        elif interim:
            yield Transcript("", True, speaker_stopped, 0.0)

    def _text(self) -> str:
        hypothesis = self._decoder.hyp()
        return " ".join(hypothesis.hypstr.split()) if hypothesis else ""

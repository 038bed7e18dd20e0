"""The seams: what every speech provider looks like to the rest of Sayna.

Lifetimes are `async with` blocks. Whoever opens a provider, recognizer or synthesizer closes it,
and nothing of it outlives the block.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sayna.speech.events import SpeechEvent
from sayna.speech.options import RecognizerOptions, SynthesizerOptions


@dataclass(frozen=True, slots=True)
class Voice:
    """One entry of `GET /voices`; every field is a string, unknown ones say `Unknown`."""

    id: str
    name: str
    language: str = "Unknown"
    accent: str = "Unknown"
    gender: str = "Unknown"
    sample: str = ""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What a synthesizer really delivers, not what was wished for."""

    name: str
    """`linear16`, `pcm`, `mulaw`, `ulaw`, `alaw`, `wav`, `mp3`, ..."""
    sample_rate: int
    """Hz."""


class Recognizer(Protocol):
    """One caller's speech-to-text stream: audio in, speech events out, in order."""

    def send_audio(self, audio: bytes) -> None:
        """Take the next bytes in the encoding, rate and channels of the options.

        Never waits and never raises for a slow engine: the implementation keeps at most a few
        seconds, then drops the oldest and counts what it dropped.
        """
        ...

    def finalize(self) -> None:
        """Ask for a final of everything heard so far; the stream stays open."""
        ...

    def finish(self) -> None:
        """Say that no audio follows; `events` then delivers what is left and ends."""
        ...

    def events(self) -> AsyncIterator[SpeechEvent]:
        """Iterate once over what was heard, until `finish` has drained.

        Raises:
            ProviderError: the engine is gone and could not be replaced.
        """
        ...


class Synthesizer(Protocol):
    """One session's voice: text in, audio out.

    At most two utterances are made at a time: the one that is being said and, ahead of its turn,
    the next. Neither may need the other to be read on: either may be left standing for minutes.
    """

    @property
    def audio_format(self) -> AudioFormat:
        """The format and rate of every chunk that `speak` yields."""
        ...

    def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Yield the audio of one utterance as it is made; `aclose()` cancels it at once.

        Chunks are of any size; the session cuts them. `wav` chunks form one file.

        Raises:
            ProviderError: the engine failed; what was yielded before stays valid. When nothing
                was yielded and the error is `retryable`, the session asks again.
        """
        ...


@runtime_checkable
class Versioned(Protocol):
    """What a synthesizer may be besides: one that knows when it began to sound different."""

    @property
    def speech_version(self) -> str | None:
        """Changes whenever equal options and text give other audio; None: never remember it.

        Read once, after opening. A synthesizer without it changes with Sayna's version only.
        """
        ...


@runtime_checkable
class Limited(Protocol):
    """What a synthesizer may be besides: one that takes no long texts at once.

    A longer text is cut at the ends of sentences, and `speak` is called for one part after the
    other. Of `wav`, each part then has a header of 44 bytes, that of a stream of unknown length.
    """

    @property
    def max_text_chars(self) -> int | None:
        """The most characters that `speak` takes, 1 or more; None: any number.

        Read once, after opening. A synthesizer without it takes any number.
        """
        ...


def speech_version_of(synthesizer: Synthesizer) -> str | None:
    """Return the version of a synthesizer, empty when it has none; None: never remember it."""
    # Checking for the protocol takes longer than all else that a remembered text needs here.
    version: str | None = getattr(synthesizer, "speech_version", "")
    return version


def max_text_chars_of(synthesizer: Synthesizer) -> int | None:
    """Return the most characters that a synthesizer takes at once; None: any number."""
    max_chars: int | None = getattr(synthesizer, "max_text_chars", None)  # as above
    return max_chars


@runtime_checkable
class TextStreaming(Protocol):
    """What a synthesizer may be besides: one that takes a text while it is still being written.

    For one without it, the session waits for the end of each sentence and has that spoken.
    """

    def speak_stream(self, texts: AsyncIterator[str]) -> AsyncGenerator[bytes, None]:
        """Yield the audio of one utterance; `aclose()` cancels it at once.

        Args:
            texts: pieces that together are the text, with all its blanks; they may end within a
                word, and minutes may pass before the next. None is blank all through, except
                behind one that is not. After a failure before the first audio the session
                begins again and passes all pieces once more.

        Raises:
            ProviderError: as `speak` does.
        """
        ...


@runtime_checkable
class Watched(Protocol):
    """What a recognizer or a synthesizer may be besides: one whose silence means something.

    A synthesizer is stuck when a chunk is this late; a recognizer, when audio, or its end, was sent
    this long ago and `signs_of_life` has not changed since. It is looked at four times in that
    time. A stuck recognizer is closed and replaced, a stuck `speak` is cancelled and, before its
    first audio, called again: whatever connection it waited on must not be used any more. Without
    it, a synthesizer is stuck after the session's `request_timeout`, and a recognizer is never.
    A recognizer's limit should be 1 s or less: of what it missed, the last 2 s are heard again.
    """

    @property
    def stall_limit_s(self) -> float | None:
        """Seconds; None: as if it were not watched. Read once, after opening."""
        ...

    @property
    def signs_of_life(self) -> int:
        """Changes whenever the engine has shown that it is at work. Synthesizers may keep it 0."""
        ...


class Provider(Protocol):
    """A speech vendor or engine: long-lived, shared by every session of the process."""

    @property
    def name(self) -> str:
        """Canonical name, lower case."""
        ...

    def open_recognizer(
        self, options: RecognizerOptions
    ) -> AbstractAsyncContextManager[Recognizer]:
        """Connect a recognizer; the block ends when the stream is no longer needed.

        Raises:
            ProviderError: on entering, when it cannot be opened.
        """
        ...

    def open_synthesizer(
        self, options: SynthesizerOptions
    ) -> AbstractAsyncContextManager[Synthesizer]:
        """Connect a synthesizer.

        Raises:
            ProviderError: on entering, when it cannot be opened.
        """
        ...

    async def voices(self) -> Sequence[Voice]:
        """List what may be passed as `voice_id`.

        Raises:
            ProviderError: the vendor could not be asked.
        """
        ...

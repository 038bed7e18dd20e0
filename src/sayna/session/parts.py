"""How an utterance is made: in one part or, while its text is still being written, in several.

    whole text                            speak          through the cache
    in pieces, the engine takes pieces    speak_stream   they go to it at once
    in pieces, it does not                speak          sentence by sentence, through the cache

Pronunciations come first, so that what they make of `Dr.` ends no sentence.
"""

from collections.abc import AsyncGenerator, Callable
from typing import Self

from sayna.session.utterance import Utterance
from sayna.speech.parts import speak_part
from sayna.speech.pronunciation import PiecewisePronouncer, Pronouncer
from sayna.speech.protocols import Synthesizer, TextStreaming
from sayna.speech.sentences import SentenceCutter

Speak = Callable[[], AsyncGenerator[bytes, None]]
"""Begins to make a part; called again when it failed before its first audio."""


class Parts:
    """The parts of one utterance, in order.

    Args:
        utterance: nobody else takes its text.
        synthesizer: makes them.
        streaming: the same, if it takes texts in pieces.
        pronouncer: is asked before.
    """

    def __init__(
        self,
        utterance: Utterance,
        synthesizer: Synthesizer,
        streaming: TextStreaming | None,
        pronouncer: Pronouncer,
    ) -> None:
        self.utterance = utterance
        self._synthesizer = synthesizer
        self._streaming = streaming
        self._pronouncer = pronouncer
        self._sentences = _Sentences(utterance, pronouncer.apply_to_pieces())
        self._begun = False

    def next_part(self) -> Speak | None:
        """Return how to make the next part; None: nothing can be made now, or ever once ended."""
        if self.utterance.is_lost:
            return None
        voice, first = self._synthesizer, not self._begun
        if self.utterance.is_streamed and self._streaming is None:
            sentence = self._sentences.next_sentence()
            speak = None if sentence is None else lambda: speak_part(voice, sentence, first=first)
        else:
            speak = self._speak_all() if first else None
        self._begun = self._begun or speak is not None
        return speak

    def _speak_all(self) -> Speak:
        utterance, pronouncer, voice = self.utterance, self._pronouncer, self._synthesizer
        streaming = self._streaming
        if utterance.is_streamed and streaming is not None:
            return lambda: streaming.speak_stream(_Pieces(utterance, pronouncer.apply_to_pieces()))
        text = utterance.take_all()
        return lambda: voice.speak(pronouncer.apply(text))


class _Sentences:
    """The text of an utterance, pronounced, as far as it makes whole sentences."""

    def __init__(self, utterance: Utterance, pronouncer: PiecewisePronouncer) -> None:
        self._utterance = utterance
        self._pronouncer = pronouncer
        self._cutter = SentenceCutter()
        self._finished = False

    def next_sentence(self) -> str | None:
        while (sentence := self._cutter.next_sentence()) is None and not self._finished:
            if text := self._utterance.take():
                self._cutter.feed(self._pronouncer.feed(text))
            elif self._utterance.is_open:
                break
            else:
                self._finished = True
                self._cutter.feed(self._pronouncer.finish())
                self._cutter.finish()
        return sentence


class _Pieces:
    """The text of an utterance, pronounced, from its beginning on and as it is written.

    No generator: an engine that leaves it half read has nothing to close.
    """

    def __init__(self, utterance: Utterance, pronouncer: PiecewisePronouncer) -> None:
        self._utterance = utterance
        self._pronouncer = pronouncer
        self._blank = True  # all that was passed on so far
        self._finished = False
        utterance.rewind()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while not self._finished:
            if text := self._utterance.take():
                said = self._pronouncer.feed(text)
            elif self._utterance.is_open:
                await self._utterance.wait_fed()
                continue
            else:
                self._finished = True
                said = self._pronouncer.finish()
            if self._blank:
                said = said.lstrip()
            if said:
                self._blank = False
                return said
        raise StopAsyncIteration

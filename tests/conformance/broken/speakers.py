"""Voices that break one rule. Each is that of the reference but for what stands here."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from itertools import count

from typing_extensions import override

from sayna.audio.convert import Outbound
from sayna.audio.wav import render_header
from sayna.conformance.case import SENTENCE, SHORT_SENTENCE
from sayna.conformance.checks.cancelling import TIMES
from sayna.errors import (
    NetworkFailed,
    ProviderError,
    ProviderRefused,
    ProviderTimeout,
)
from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import AudioFormat
from tests.conformance.broken.flaws import breaks
from tests.conformance.reference import FAILING, RATE_HZ, Reference, Speaker, sound_of

COUNTER = count()
SLOW_S = 30.0
"""Longer than the cases bear."""


@breaks("speech_has_the_declared_format")
class DeclaresAnotherFormatLater(Speaker):
    said = 0

    @property
    @override
    def audio_format(self) -> AudioFormat:
        rate = self.options.sample_rate
        return AudioFormat("pcm" if self.said else self.options.audio_format, rate)

    @override
    def words(self, text: str) -> Sequence[str]:
        self.said += 1
        return super().words(text)


@breaks("speech_has_the_declared_format")
class EndsInHalfASample(Speaker):
    @override
    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        async for chunk in super().speak(text):
            yield chunk
        if text.split() and self.audio_format == AudioFormat("linear16", RATE_HZ):
            yield b"\0"


@breaks("speech_has_the_declared_format")
class BeginsWithAHeaderThatNobodyWanted(Speaker):
    @override
    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        if text.split() and self.audio_format == AudioFormat("linear16", RATE_HZ):
            yield render_header(RATE_HZ)
        async for chunk in super().speak(text):
            yield chunk


@breaks("each_format_is_delivered_or_refused")
class DeclaresARateThatItDoesNotDeliver(Speaker):
    def __init__(self, provider: Reference, options: SynthesizerOptions) -> None:
        super().__init__(provider, replace(options, sample_rate=RATE_HZ))
        self.declared = AudioFormat(options.audio_format, options.sample_rate)

    @property
    @override
    def audio_format(self) -> AudioFormat:
        return self.declared


@breaks("chunks_are_bytes_and_none_is_empty")
class YieldsAnEmptyChunk(Speaker):
    @override
    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        async for chunk in super().speak(text):
            yield chunk
        if text.split():
            yield b""


@breaks("a_text_without_words_is_silent_and_ends")
class SpeaksBlanks(Speaker):
    @override
    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        async for chunk in super().speak(text):
            yield chunk
        if not text.split():
            yield bytes(320)


@breaks("a_very_long_text_is_spoken_to_its_end")
class CutsLongTexts(Speaker):
    @override
    def words(self, text: str) -> Sequence[str]:
        return super().words(text)[:20]


@breaks("a_strange_text_is_spoken_or_refused_and_the_next_is_whole")
class ChokesOnMarkup(Speaker):
    @override
    def words(self, text: str) -> Sequence[str]:
        if "<" in text:
            raise ValueError(text)
        return super().words(text)


@breaks("a_strange_text_is_spoken_or_refused_and_the_next_is_whole")
class QuotesATextItRefuses(Speaker):
    @override
    def words(self, text: str) -> Sequence[str]:
        if "\x00" in text:
            raise ProviderRefused(f"cannot say {text}")
        return super().words(text)


@breaks("several_voices_at_once_do_not_mix")
class MixesSessions(Speaker):
    """Beside another session that speaks, the first word is lost."""

    @override
    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        present = self.provider.present
        is_late = bool(present - {self})
        present.add(self)
        try:
            async for chunk in super().speak(" ".join(text.split()[is_late:])):
                yield chunk
        finally:
            present.discard(self)


@breaks("utterances_come_whole_and_in_order")
class SaysThePreviousText(Speaker):
    """The fourth text comes as the third did."""

    @override
    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        said: list[str] = getattr(self, "said", [])
        is_fourth = [*said, text] == [SENTENCE, SHORT_SENTENCE] * 2
        async for chunk in super().speak(said[-1] if is_fourth else text):
            yield chunk
        self.said = [*said, text]


@breaks("equal_texts_last_equally_long")
class GrowsTired(Speaker):
    """The third text in a row that is the same lasts longer."""

    said: list[str]

    @override
    def words(self, text: str) -> Sequence[str]:
        self.said = [*getattr(self, "said", []), text]
        words = super().words(text)
        is_third = self.said == [SENTENCE] * 3 and not self.options.model
        return [*words, "door"] if is_third else words


@breaks("others_run_while_an_utterance_is_made")
class NeverAwaits(Speaker):
    @override
    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        out = Outbound(RATE_HZ, self.options.audio_format, self.options.sample_rate)
        for word in self.words(text):
            yield out.feed(sound_of(word))
            if self.options.model == FAILING and self.provider.may_fail("speaking"):
                raise self.failure(text)
        if text.split() and (rest := out.finish()):
            yield rest


@breaks("a_closed_utterance_leaves_the_voice_usable")
class ForgetsAWordBehindAClose(Speaker):
    closed = 0

    @override
    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        words = text.split()[self.closed >= TIMES :]
        try:
            async for chunk in super().speak(" ".join(words)):
                yield chunk
        except GeneratorExit:
            self.closed += 1
            raise


@breaks("an_utterance_that_was_never_begun_costs_nothing")
class BeginsWhenAsked(Speaker):
    """A text is put into a queue by the call, and only reading it takes it out again."""

    asked: list[str]

    @override
    def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        self.asked = [*getattr(self, "asked", []), text]
        return self._speak()

    async def _speak(self) -> AsyncGenerator[bytes, None]:
        first = self.asked.pop(0)
        async for chunk in super().speak(first):
            yield chunk


@breaks("cancelling_before_the_first_chunk_leaves_the_voice_usable")
class KeepsWhatWasCancelled(Speaker):
    """The first word of a text that was cancelled before any sound comes with the next text."""

    late = ""

    @override
    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        late, self.late = self.late, ""
        began = False
        try:
            async for chunk in super().speak(f"{late} {text}" if text.split() else text):
                began = True
                yield chunk
        except asyncio.CancelledError:
            self.late = "" if began else "door"
            raise


@breaks("cancelling_whoever_listens_cancels_the_utterance")
class SwallowsCancellation(Speaker):
    """Behind its first sound it goes on when it is cancelled."""

    @override
    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        out = Outbound(RATE_HZ, self.options.audio_format, self.options.sample_rate)
        for at, word in enumerate(self.words(text)):
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                if at == 0:
                    raise
            yield out.feed(sound_of(word))
            if self.options.model == FAILING and self.provider.may_fail("speaking"):
                raise self.failure(text)
        if text.split() and (rest := out.finish()):
            yield rest


@breaks("an_utterance_made_ahead_does_not_mix_with_the_present_one")
class SpeaksOneTextAtATime(Speaker):
    """A short text that is begun within another ends it early."""

    ended = False

    @override
    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        self.ended = text == SHORT_SENTENCE
        async for chunk in super().speak(text):
            yield chunk
            if self.ended and text == SENTENCE:
                return


@breaks("the_present_utterance_goes_on_while_one_ahead_stands_still")
class WaitsForTheTextThatStandsStill(Speaker):
    """One lock for all long texts and those behind them."""

    def __init__(self, provider: Reference, options: SynthesizerOptions) -> None:
        super().__init__(provider, options)
        self.lock = asyncio.Lock()

    @override
    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        if len(text) <= len(SHORT_SENTENCE):
            async for chunk in super().speak(text):
                yield chunk
            return
        try:
            await asyncio.wait_for(self.lock.acquire(), 0.05)
        except TimeoutError as error:
            raise ProviderTimeout("another text is being spoken") from error
        try:
            async for chunk in super().speak(text):
                yield chunk
        finally:
            self.lock.release()


@breaks("equal_options_have_the_same_speech_version")
class IsAnotherVersionEachTime(Speaker):
    @property
    @override
    def speech_version(self) -> str:
        return str(next(COUNTER))


@breaks("the_longest_text_that_it_takes_is_spoken")
class TakesNoText(Speaker):
    max_text_chars = -1


@breaks("a_text_still_being_written_is_spoken_whole")
class ForgetsTheLastPiece(Speaker):
    @override
    async def speak_stream(self, texts: AsyncIterator[str]) -> AsyncGenerator[bytes, None]:
        held = ""
        async for piece in texts:
            *whole, held = (held + piece).split(" ")
            async for chunk in self.speak(" ".join(whole)):
                yield chunk


@breaks("a_text_still_being_written_can_be_cancelled")
class WaitsForTheNextPieceWhateverHappens(Speaker):
    @override
    async def speak_stream(self, texts: AsyncIterator[str]) -> AsyncGenerator[bytes, None]:
        text = ""
        try:
            async for piece in texts:
                text += piece
        except asyncio.CancelledError:
            await asyncio.sleep(SLOW_S)
            raise
        async for chunk in self.speak(text):
            yield chunk


@breaks("a_watched_synthesizer_has_a_limit_that_makes_sense")
class IsStuckAtOnce(Speaker):
    stall_limit_s = 0.0


@breaks("a_fault_while_speaking_is_an_error_of_its_kind")
class FallsSilentInsteadOfFailing(Speaker):
    @override
    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in super().speak(text):
                yield chunk
        except ProviderError:
            return


@breaks("a_fault_while_speaking_is_an_error_of_its_kind")
class QuotesWhatItCouldNotSay(Speaker):
    @override
    def failure(self, text: str) -> ProviderError:
        return NetworkFailed(f"could not say {text}", retryable=True)


@breaks("a_fault_while_speaking_is_an_error_of_its_kind")
class FailsForGood(Speaker):
    @override
    def failure(self, text: str) -> ProviderError:
        return NetworkFailed("the line broke")

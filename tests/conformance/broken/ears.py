"""Ears that break one rule. Each is that of the reference but for what stands here."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ClassVar

from typing_extensions import override

from sayna.errors import (
    ProviderError,
    ProviderRefused,
)
from sayna.speech.events import SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions
from tests.conformance.broken.flaws import breaks
from tests.conformance.reference import Ear, Reference

SLOW_S = 30.0
"""Longer than the cases bear."""
SILENT_BLOCKS = 150
"""Of 10 ms: longer than any pause between words."""


@breaks("results_are_well_formed")
class IsSureOfNothing(Ear):
    @override
    def tell(self, event: SpeechEvent) -> None:
        assert isinstance(event, Transcript)
        super().tell(event._replace(confidence=2.0))


@breaks("results_are_well_formed")
class TellsBlankInterims(Ear):
    @override
    def hear_word(self, word: str) -> None:
        self.tell(Transcript(" "))
        super().hear_word(word)


@breaks("a_segment_ends_with_its_final")
class TellsAnInterimBehindTheFinal(Ear):
    @override
    def close_segment(self, *, speech_final: bool) -> None:
        words = " ".join(self.segment)
        super().close_segment(speech_final=speech_final)
        if words:
            self.tell(Transcript(words))


@breaks("words_do_not_depend_on_how_the_audio_is_cut")
class LosesHalfSamples(Ear):
    @override
    def send_audio(self, audio: bytes) -> None:
        super().send_audio(audio[: len(audio) - len(audio) % 2])


class _TakesAnyAudio(Ear):
    """It takes some options for the usual ones."""

    ignored: ClassVar[tuple[str, ...]] = ()

    def __init__(self, provider: Reference, options: RecognizerOptions) -> None:
        usual = RecognizerOptions("reference")
        wrong = {name: getattr(usual, name) for name in self.ignored}
        super().__init__(provider, replace(options, **wrong))


@breaks("an_impossible_rate_is_refused_on_opening")
class HearsAnyRate(_TakesAnyAudio):
    ignored = ("sample_rate",)


@breaks("an_unknown_encoding_is_refused_on_opening")
class HearsUnknownEncodings(_TakesAnyAudio):
    def __init__(self, provider: Reference, options: RecognizerOptions) -> None:
        is_unknown = options.encoding.startswith("no-such")
        self.ignored = ("encoding",) if is_unknown else ()  # type: ignore[misc]
        super().__init__(provider, options)


@breaks("each_encoding_is_understood_or_refused")
class TakesOneLawForTheOther(Ear):
    def __init__(self, provider: Reference, options: RecognizerOptions) -> None:
        wrong = "linear16" if options.encoding == "alaw" else options.encoding
        super().__init__(provider, replace(options, encoding=wrong))


@breaks("silence_gives_no_words")
class HearsWordsInSilence(Ear):
    @override
    def hear_block(self, level: int) -> None:
        super().hear_block(level)
        if level == 0 and self.blocks == SILENT_BLOCKS:
            self.hear_word("you")


@breaks("empty_audio_is_harmless")
class ChokesOnNothing(Ear):
    @override
    def send_audio(self, audio: bytes) -> None:
        if not audio:
            raise ValueError("no audio")
        super().send_audio(audio)


class NeverEnds(Ear):
    """Whoever waits for the end of its events waits for ever."""

    @override
    def finish(self) -> None:
        return


class EndsWithoutTheFinal(Ear):
    """What hears at all fails with it."""

    @override
    def close_segment(self, *, speech_final: bool) -> None:
        self.segment.clear()


@breaks("a_flood_is_taken_at_once_and_not_kept")
class KeepsEverything(Ear):
    @override
    def send_audio(self, audio: bytes) -> None:
        self.kept = [*getattr(self, "kept", []), audio]
        super().send_audio(audio)


@breaks("a_flood_is_taken_at_once_and_not_kept")
class RaisesWhenItIsTooMuch(Ear):
    frames = 0

    @override
    def send_audio(self, audio: bytes) -> None:
        self.frames += 1
        if self.frames == 1_000 and len(audio) > 2_000:
            raise ProviderRefused("too much audio")
        super().send_audio(audio)


@breaks("finalize_closes_a_segment_and_the_stream_stays_open")
class EndsOnFinalize(Ear):
    @override
    def finalize(self) -> None:
        if self.segment:
            self.finish()


@breaks("finish_may_be_said_twice_and_audio_behind_it_is_ignored")
class HearsBehindTheEnd(Ear):
    @override
    def send_audio(self, audio: bytes) -> None:
        was, self.finishing = self.finishing, False
        super().send_audio(audio)
        if was:
            self.close_segment(speech_final=True)
        self.finishing = was


@breaks("a_recognizer_may_be_left_while_somebody_speaks")
class KeepsWhatWasLeft(Reference):
    """What was heard in a stream that nobody finished is told in the next."""

    @override
    @asynccontextmanager
    async def open_recognizer(self, options: RecognizerOptions) -> AsyncGenerator[Ear, None]:
        async with super().open_recognizer(options) as ear:
            ear.segment.extend(self.left)
            self.left.clear()
            yield ear
            if not ear.finishing and ear.told:
                self.left.extend(ear.segment)


@breaks("cancelling_whoever_reads_the_events_leaves_the_block_free_to_end")
class ReadsOnWhenCancelled(Ear):
    @override
    async def events(self) -> AsyncGenerator[SpeechEvent, None]:
        try:
            async for event in super().events():
                yield event
        except asyncio.CancelledError:
            await asyncio.sleep(SLOW_S)
            raise


@breaks("two_recognizers_at_once_do_not_mix")
class HearsTheOthers(Ear):
    @override
    def hear_word(self, word: str) -> None:
        self.provider.ears.add(self)
        for ear in self.provider.ears:
            Ear.hear_word(ear, word)


@breaks("a_watched_recognizer_shows_that_it_lives")
class ShowsNoLife(Ear):
    @override
    def hear_word(self, word: str) -> None:
        super().hear_word(word)
        self.signs_of_life -= 1


@breaks("a_fault_while_listening_is_an_error_of_its_kind")
class MistakesTheFault(Ear):
    @override
    def failure(self) -> ProviderError:
        return ProviderRefused("something went wrong")

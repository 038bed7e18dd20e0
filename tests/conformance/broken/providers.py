"""Providers that break one rule as a whole. Each is the reference but for what stands here."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar
from weakref import WeakSet

from typing_extensions import override

from sayna.conformance.case import SENTENCE
from sayna.errors import (
    ProviderAuthFailed,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
)
from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import Voice
from tests.conformance.broken.flaws import breaks
from tests.conformance.reference import RATE_HZ, Reference, Speaker


@breaks("the_name_is_the_canonical_one")
class ShoutsItsName(Reference):
    name = "Reference"


@breaks("voices_are_complete_and_each_has_its_own_id")
class ListsAVoiceTwice(Reference):
    @override
    async def voices(self) -> Sequence[Voice]:
        return [Voice("plain", "Plain"), Voice("plain", "Other")]


@breaks("voices_are_complete_and_each_has_its_own_id")
class ListsAVoiceWithoutLanguage(Reference):
    @override
    async def voices(self) -> Sequence[Voice]:
        return [Voice("plain", "Plain", language="")]


@breaks("a_listed_voice_can_be_spoken_with")
class ListsAVoiceThatIsNotThere(Reference):
    @override
    async def voices(self) -> Sequence[Voice]:
        return [Voice("gone", "Gone")]


@breaks("a_closed_provider_leaves_nothing_behind")
class LeavesATaskBehind(Reference):
    """It ends with the loop only: what nobody holds on to would be collected, sooner or later."""

    forgotten: ClassVar[list[asyncio.Task[bool]]] = []

    def __init__(self) -> None:
        super().__init__()
        self.forgotten.append(asyncio.get_running_loop().create_task(asyncio.Event().wait()))


class _SpeaksInTheFirst(Speaker):
    @override
    def words(self, text: str) -> Sequence[str]:
        assert isinstance(self.provider, WorksOnceInALoop)
        is_silent = self.provider.is_second and text == SENTENCE
        return [] if is_silent else super().words(text)


class WorksOnceInALoop(Reference):
    """What the second one needs was closed with the first, and is kept in the class."""

    speaker = _SpeaksInTheFirst
    loops: ClassVar[WeakSet[asyncio.AbstractEventLoop]] = WeakSet()

    def __init__(self) -> None:
        super().__init__()
        loop = asyncio.get_running_loop()
        self.is_second = loop in self.loops
        self.loops.add(loop)


breaks("it_opens_and_closes_twice")(WorksOnceInALoop)


@breaks("closed_sessions_leave_nothing_behind")
class LeavesATaskOfEachSession(Reference):
    """They end with the provider only."""

    def __init__(self) -> None:
        super().__init__()
        self.forgotten: list[asyncio.Task[bool]] = []

    @override
    def check(self, options: SynthesizerOptions) -> None:
        super().check(options)
        self.forgotten.append(asyncio.get_running_loop().create_task(asyncio.Event().wait()))

    @override
    async def close(self) -> None:
        for task in self.forgotten:
            task.cancel()
        await asyncio.gather(*self.forgotten, return_exceptions=True)


class _TakesAnyFormat(Reference):
    ignored: ClassVar[tuple[str, ...]] = ()

    @override
    def check(self, options: SynthesizerOptions) -> None:
        usual = SynthesizerOptions("reference", sample_rate=RATE_HZ)
        wrong = {name: getattr(usual, name) for name in self.ignored}
        super().check(replace(options, **wrong))


@breaks("an_impossible_rate_is_refused_on_opening")
class TakesAnyRate(_TakesAnyFormat):
    ignored = ("sample_rate",)


@breaks("an_unknown_voice_is_refused_on_opening")
class TakesAnyVoice(_TakesAnyFormat):
    ignored = ("voice_id",)


@breaks("an_unknown_format_is_refused_on_opening")
class RefusesAFormatWithoutNamingIt(Reference):
    @override
    def check(self, options: SynthesizerOptions) -> None:
        try:
            super().check(options)
        except ProviderMisconfigured as error:
            if "audio_format" in str(error):
                raise ProviderMisconfigured("something is wrong") from error
            raise


@breaks("wrong_credentials_are_an_authentication_error")
class TellsTheKey(Reference):
    @override
    def refuse_key(self, key: str) -> ProviderError:
        return ProviderAuthFailed(f"the key {key} was refused")


@breaks("wrong_credentials_are_an_authentication_error")
class CallsAWrongKeyARefusal(Reference):
    @override
    def refuse_key(self, key: str) -> ProviderError:
        return ProviderRefused("no")

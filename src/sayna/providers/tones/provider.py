"""The provider `tones` put together."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from sayna.providers.tones.faults import HANG_MS, FaultLedger, FaultPlan, Kind, error_of
from sayna.providers.tones.faulty_synthesizer import FaultySynthesizer, Sleep
from sayna.providers.tones.recognizer import TonesRecognizer
from sayna.providers.tones.synthesizer import VOICE, TonesSynthesizer
from sayna.settings.tree import Settings
from sayna.settings.vendors import Providers
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import Provider, Recognizer, Synthesizer, Voice


class TonesProvider:
    """Sings and listens in this process; nothing is shared but the ledger of faults.

    Args:
        settings: for the gaps that end a segment and a speech.
        sleep: waits where a fault has it so; an argument for tests.
    """

    name = "tones"

    def __init__(self, settings: Providers, sleep: Sleep = asyncio.sleep) -> None:
        self._settings = settings
        self._sleep = sleep
        self._ledger = FaultLedger()

    @asynccontextmanager
    async def open_recognizer(self, options: RecognizerOptions) -> AsyncGenerator[Recognizer, None]:
        """Listen, with the faults of `options.model`.

        Raises:
            ProviderMisconfigured: on entering; the model, encoding or rate is impossible.
            ProviderError: on entering; the model asked for it.
        """
        plan = self._ledger.plan("stt", options.model)
        recognizer = TonesRecognizer(options, self._settings, plan)
        await self._open(plan, Kind.STATUS)
        try:
            yield recognizer
        finally:
            recognizer.close()
            await self._hang(plan)

    @asynccontextmanager
    async def open_synthesizer(
        self, options: SynthesizerOptions
    ) -> AsyncGenerator[Synthesizer, None]:
        """Speak, with the faults of `options.model`.

        Raises:
            ProviderMisconfigured: on entering; the model, voice, format or rate is impossible.
            ProviderError: on entering; the model asked for it.
        """
        plan = self._ledger.plan("tts", options.model)
        voice = TonesSynthesizer(options)
        await self._open(plan)
        try:
            if plan.faults:
                yield FaultySynthesizer(voice, plan, options.request_timeout_s, self._sleep)
            else:
                yield voice
        finally:
            await self._hang(plan)

    async def voices(self) -> Sequence[Voice]:
        """There is one."""
        return [Voice(VOICE, "Chords", "Any", "None", "None")]

    async def _open(self, plan: FaultPlan, *placeless: Kind) -> None:
        """Let happen what belongs to opening."""
        for fault in plan.at_opening(*placeless):
            if plan.happens(fault):
                if (error := error_of(fault)) is not None:
                    raise error
                await self._sleep((HANG_MS if fault.value is None else fault.value) / 1000)

    async def _hang(self, plan: FaultPlan) -> None:
        for fault in plan.of(Kind.HANG_ON_CLOSE):
            if plan.happens(fault):
                await self._sleep((HANG_MS if fault.value is None else fault.value) / 1000)


@asynccontextmanager
async def open_provider(settings: Settings) -> AsyncGenerator[Provider, None]:
    """Offer `tones` until the block ends."""
    yield TonesProvider(settings.providers)

"""The provider `local` put together: which engine serves which name."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog

from sayna.errors import ProviderMisconfigured
from sayna.providers.local.espeak import list_voices, open_espeak
from sayna.providers.local.model_hosts import ModelHosts, open_hosts
from sayna.providers.local.model_voices import list_model_voices
from sayna.providers.local.models import find_recognizer_engine, find_synthesizer_engine
from sayna.providers.local.options import wanted_voice
from sayna.providers.local.pocketsphinx import open_pocketsphinx
from sayna.settings.tree import Settings
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import Provider, Recognizer, Synthesizer, Voice

log = structlog.get_logger(__name__)


class LocalProvider:
    """espeak-ng, pocketsphinx, and models of the operator's own."""

    name = "local"

    def __init__(self, settings: Settings, hosts: ModelHosts) -> None:
        self._settings = settings
        self.hosts = hosts
        """The worker processes; for tests and for operators."""

    def open_recognizer(
        self, options: RecognizerOptions
    ) -> AbstractAsyncContextManager[Recognizer]:
        """Listen with the engine that `options.model` names (see `options`).

        Raises:
            ProviderError: on entering, when it cannot be opened.
        """
        prefix, _, name = options.model.partition(":")
        if (engine := find_recognizer_engine(prefix)) is not None:
            return engine.open_recognizer(options, name, self._settings, hosts=self.hosts)
        return open_pocketsphinx(self.hosts, options, self._settings.providers.local)

    def open_synthesizer(
        self, options: SynthesizerOptions
    ) -> AbstractAsyncContextManager[Synthesizer]:
        """Speak with the engine that `options.voice_id` names (see `options`).

        Raises:
            ProviderError: on entering, when it cannot be opened.
        """
        prefix, _, name = wanted_voice(options).partition(":")
        if (engine := find_synthesizer_engine(prefix)) is not None:
            return engine.open_synthesizer(options, name, self._settings, hosts=self.hosts)
        return open_espeak(self.hosts, options)

    async def voices(self) -> Sequence[Voice]:
        """List the voices of the operator's own models, then those of espeak-ng where it is.

        Raises:
            ProviderError: espeak-ng is installed, but its worker cannot be started.
        """
        own = await asyncio.to_thread(list_model_voices, self._settings)
        try:
            return [*own, *await list_voices(self.hosts)]
        except ProviderMisconfigured as error:
            log.info("voices_left_out", provider="local", why=error.detail)
            return own


@asynccontextmanager
async def open_local(settings: Settings) -> AsyncGenerator[Provider, None]:
    """Offer the local engines until the block ends; then every worker process has ended too."""
    # pocketsphinx and espeak-ng stay loaded between sessions: their workers are small
    lingering = settings.providers.local.recognizer_processes + 2
    async with open_hosts(max_idle=lingering) as hosts:
        yield LocalProvider(settings, hosts)

"""Engines that run models which the operator supplies, by the prefix of a model's or voice's name.

`stt_config.model`: `vosk:NAME`, `sherpa:NAME`, `whisper:NAME`; `tts_config.voice_id`:
`piper:NAME`, `kokoro:VOICE`. The files lie in `settings.providers.local.models_path`; the packages
are optional extras of Sayna; both are looked for when a session asks, and what is missing is named.
"""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sayna.errors import ProviderMisconfigured
from sayna.providers.local.hosted_recognizer import open_hosted_recognizer
from sayna.providers.local.hosted_synthesizer import open_hosted_synthesizer
from sayna.providers.local.model_files import (
    Found,
    find_kokoro,
    find_piper,
    find_sherpa,
    find_vosk,
    find_whisper,
)
from sayna.providers.local.model_hosts import Launch, ModelHosts, open_hosts
from sayna.settings.tree import Settings
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import Recognizer, Synthesizer

FindFiles = Callable[[Path | None, str], Found]


@dataclass(frozen=True, slots=True)
class Engine:
    """What every engine has: a package that runs it and files that feed it."""

    prefix: str
    """Of names; also the extra to install and the adapter's module."""
    package: str
    """What Python imports."""
    find_files: FindFiles

    @property
    def is_installed(self) -> bool:
        """True when its package can be imported; it is not imported for that."""
        return find_spec(self.package) is not None

    def plan(self, worker: str, model: str, files_of: str, settings: Settings) -> Launch:
        """Return what to start for a model.

        Raises:
            ProviderMisconfigured: the package or a file is missing; the text names the cure.
        """
        if not self.is_installed:
            raise ProviderMisconfigured(
                f"{model} needs a package that is not installed: pip install 'sayna[{self.prefix}]'"
            )
        local = settings.providers.local
        return Launch(
            module=f"sayna.providers.local.{worker}",
            engine=self.prefix,
            model=model,
            files=self.find_files(local.models_path, files_of),
            processes=local.recognizer_processes,
            lanes_per_process=local.max_recognizers_per_process,
            threads=max(1, (os.cpu_count() or 1) // local.recognizer_processes),
        )


@dataclass(frozen=True, slots=True)
class RecognizerEngine(Engine):
    """Listens with models of one kind."""

    @asynccontextmanager
    async def open_recognizer(
        self,
        options: RecognizerOptions,
        name: str,
        settings: Settings,
        *,
        hosts: ModelHosts | None = None,
    ) -> AsyncGenerator[Recognizer, None]:
        """Listen until the block ends.

        Args:
            options: of the stream; their `model` is not looked at.
            name: the model's, without the prefix.
            settings: where models lie and how many processes there may be.
            hosts: share loaded models with its other users; without it the stream has a process
                of its own, which ends with the block.

        Raises:
            ProviderError: on entering; the text names what is missing.
        """
        launch = self.plan("recognizer_worker", f"{self.prefix}:{name}", name, settings)
        async with AsyncExitStack() as stack:
            home = await stack.enter_async_context(_shared_or_own(hosts))
            yield await stack.enter_async_context(open_hosted_recognizer(home, launch, options))


@dataclass(frozen=True, slots=True)
class SynthesizerEngine(Engine):
    """Speaks with models of one kind."""

    has_voices: bool = False
    """One model with many voices: the name is a voice's, not a file's."""

    @asynccontextmanager
    async def open_synthesizer(
        self,
        options: SynthesizerOptions,
        name: str,
        settings: Settings,
        *,
        hosts: ModelHosts | None = None,
    ) -> AsyncGenerator[Synthesizer, None]:
        """Speak until the block ends.

        Args:
            options: of the voice; their `voice_id` is not looked at.
            name: the voice's, without the prefix.
            settings: where voices lie and how many processes there may be.
            hosts: as for recognizers.

        Raises:
            ProviderError: on entering; the text names what is missing.
        """
        model = self.prefix if self.has_voices else f"{self.prefix}:{name}"
        voice = name if self.has_voices else ""
        launch = self.plan("synthesizer_worker", model, name, settings)
        async with AsyncExitStack() as stack:
            home = await stack.enter_async_context(_shared_or_own(hosts))
            yield await stack.enter_async_context(
                open_hosted_synthesizer(home, launch, voice, options)
            )


@asynccontextmanager
async def _shared_or_own(hosts: ModelHosts | None) -> AsyncGenerator[ModelHosts, None]:
    if hosts is not None:
        yield hosts
        return
    async with open_hosts(max_idle=0) as own:
        yield own


RECOGNIZERS = (
    RecognizerEngine("vosk", "vosk", find_vosk),
    RecognizerEngine("sherpa", "sherpa_onnx", find_sherpa),
    RecognizerEngine("whisper", "faster_whisper", find_whisper),
)
SYNTHESIZERS = (
    SynthesizerEngine("piper", "piper", find_piper),
    SynthesizerEngine("kokoro", "kokoro_onnx", find_kokoro, has_voices=True),
)


def find_recognizer_engine(prefix: str) -> RecognizerEngine | None:
    """Return the engine for `prefix:NAME` models; None when no engine goes by that name."""
    return next((engine for engine in RECOGNIZERS if engine.prefix == prefix), None)


def find_synthesizer_engine(prefix: str) -> SynthesizerEngine | None:
    """Return the engine for `prefix:NAME` voices; None when no engine goes by that name."""
    return next((engine for engine in SYNTHESIZERS if engine.prefix == prefix), None)

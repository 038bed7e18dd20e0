"""Listen with pocketsphinx, which lives in a pool of worker processes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from typing_extensions import override

from sayna.errors import (
    ConnectionFailed,
    ProviderError,
    ProviderMisconfigured,
    ProviderNotReady,
    ProviderTimeout,
)
from sayna.providers.local.hosted_recognizer import HostedRecognizer
from sayna.providers.local.model_hosts import Launch, ModelHosts
from sayna.providers.local.model_messages import Broken, FromWorker
from sayna.providers.local.options import Listening, parse_listening, require, require_english
from sayna.providers.local.pipes import Worker
from sayna.providers.local.pocketsphinx_messages import OpenEar
from sayna.settings.vendors import Local
from sayna.speech.options import RecognizerOptions
from sayna.speech.protocols import Recognizer

log = structlog.get_logger(__name__)

OPEN_TIMEOUT_S = 30.0
"""From asking a worker for a decoder to having it: it may be busy with others' speech."""


class PocketsphinxRecognizer(HostedRecognizer):
    """One caller's stream; what it listens for is told to each worker that takes it on."""

    def __init__(self, options: RecognizerOptions, listening: Listening) -> None:
        super().__init__(options, "pocketsphinx")
        self._listening = listening
        self._opened = asyncio.Event()

    async def opened(self) -> None:
        """Wait until the decoder is ready.

        Raises:
            ProviderMisconfigured: the grammar or the phrases cannot be used.
            ProviderError: there is no worker.
        """
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await self._opened.wait()
        except TimeoutError as error:
            raise ProviderTimeout(
                f"pocketsphinx was not ready within {OPEN_TIMEOUT_S:g} s", retryable=True
            ) from error
        if self._error is not None:
            raise self._error

    @override
    def attach(self, number: int, worker: Worker[FromWorker]) -> None:
        path = str(self._listening.path or "")
        self._number, self._worker = number, worker
        worker.post(OpenEar(number, self._listening.mode.value, path))
        self._pump()

    @override
    def receive(self, message: FromWorker) -> None:
        if isinstance(message, Broken) and not self._opened.is_set():
            self.fail(ProviderMisconfigured(message.why))
            return
        self._opened.set()
        super().receive(message)

    @override
    def fail(self, error: ProviderError) -> None:
        super().fail(error)
        self._opened.set()


def launch_of(local: Local) -> Launch:
    """Return what to start: every caller shares the same workers, whatever it listens for."""
    return Launch(
        module="sayna.providers.local.pocketsphinx_worker",
        engine="pocketsphinx",
        model="pocketsphinx",
        files=(),
        processes=local.recognizer_processes,
        lanes_per_process=local.max_recognizers_per_process,
    )


@asynccontextmanager
async def open_pocketsphinx(
    hosts: ModelHosts, options: RecognizerOptions, local: Local
) -> AsyncGenerator[Recognizer, None]:
    """Listen with pocketsphinx until the block ends.

    Raises:
        ProviderMisconfigured: on entering; the options are impossible, or no pocketsphinx is here.
        ConnectionFailed: on entering; every worker has as many callers as it may have.
        ProviderError: on entering; no worker can be started.
    """
    require_english(options.language)
    listening = parse_listening(options.model, local.grammars_path)
    recognizer = PocketsphinxRecognizer(options, listening)
    require("pocketsphinx", "the recognizer of the provider local")
    launch = launch_of(local)
    async with AsyncExitStack() as stack:
        try:
            host = await stack.enter_async_context(hosts.share(launch))
        except ProviderNotReady as error:
            places = launch.processes * launch.lanes_per_process
            raise ConnectionFailed(
                f"the local recognizer is at capacity: {places} streams run already", retryable=True
            ) from error
        number = host.join(recognizer)
        try:
            await recognizer.opened()
            yield recognizer
        finally:
            host.leave(number)
            if recognizer.dropped_ms:
                log.warning("audio_dropped", engine="pocketsphinx", ms=round(recognizer.dropped_ms))

"""A `Synthesizer` whose engine lives in a worker process."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from sayna.audio.convert import Outbound, check_outbound
from sayna.errors import (
    AudioRejected,
    NetworkFailed,
    ProviderError,
    ProviderMisconfigured,
    ProviderTimeout,
)
from sayna.providers.local.model_hosts import Host, Launch, ModelHosts
from sayna.providers.local.model_messages import Broken, Finished, FromWorker, More, Sound, Speak
from sayna.providers.local.pipes import Worker
from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import AudioFormat


class Utterance:
    """One text being spoken, as a lane of a host.

    At most a few chunks wait here: the worker sends the next one when it is told `More`.
    """

    def __init__(self, text: str, voice: str, speaking_rate: float, engine: str) -> None:
        self._order = (text, voice, speaking_rate)
        self._engine = engine
        self._number = 0
        self._worker: Worker[FromWorker] | None = None
        self._chunks: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self._error: ProviderError | None = None

    async def next_chunk(self) -> bytes | None:
        """Return more s16le mono audio, None at the end.

        Raises:
            ProviderError: the rest will not come.
        """
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            self._news.clear()
            await self._news.wait()
        if self._worker is not None:
            self._worker.post(More(self._number))
        return self._chunks.popleft()

    @property
    def is_waiting(self) -> bool:
        """True while the worker could be making sound."""
        return not self._ended and not self._chunks

    def attach(self, number: int, worker: Worker[FromWorker]) -> None:
        """Order the utterance."""
        self._number, self._worker = number, worker
        text, voice, speaking_rate = self._order
        worker.post(Speak(number, text, voice, speaking_rate))

    def receive(self, message: FromWorker) -> None:
        """Keep a chunk or note the end."""
        match message:
            case Sound(pcm=pcm):
                self._chunks.append(pcm)
            case Finished():
                self._ended = True
            case Broken(why=why):
                self.fail(AudioRejected(f"{self._engine} could not speak this text ({why})"))
            case _:
                return
        self._news.set()

    def lose(self) -> None:
        """End with an error: half a sentence cannot be taken up by another worker."""
        self.fail(
            NetworkFailed(f"the {self._engine} worker died and is being replaced", retryable=True)
        )

    def fail(self, error: ProviderError) -> None:
        """End with an error, behind the chunks that came."""
        self._worker = None
        self._ended = True
        self._error = self._error or error
        self._news.set()


class HostedSynthesizer:
    """One session's voice."""

    def __init__(self, host: Host, from_rate: int, voice: str, options: SynthesizerOptions) -> None:
        self._host = host
        self._from_rate = from_rate
        self._voice = voice
        self._options = options

    @property
    def audio_format(self) -> AudioFormat:
        """As the options ask: everything is converted here."""
        return AudioFormat(self._options.audio_format, self._options.sample_rate)

    @property
    def speech_version(self) -> str | None:
        """Changes when a file of the model is replaced; None when one is gone."""
        try:
            stamps = [Path(path).stat() for _, path in self._host.launch.files]
        except OSError:
            return None
        return " ".join(f"{stamp.st_size}:{stamp.st_mtime_ns}" for stamp in stamps)

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Yield one utterance sentence by sentence.

        Raises:
            ProviderError: the voice failed; what was yielded before stays valid.
        """
        options, engine = self._options, self._host.launch.engine
        outbound = Outbound(self._from_rate, options.audio_format, options.sample_rate)
        utterance = Utterance(text, self._voice, options.speaking_rate, engine)
        number = self._host.join(utterance)
        try:
            while (pcm := await self._next_chunk(utterance)) is not None:
                if audio := outbound.feed(pcm):
                    yield audio
            if rest := outbound.finish():
                yield rest
        finally:
            self._host.leave(number)

    async def _next_chunk(self, utterance: Utterance) -> bytes | None:
        limit_s = self._options.request_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await utterance.next_chunk()
        except TimeoutError as error:
            raise ProviderTimeout(
                f"{self._host.launch.engine} made no sound for {limit_s:g} s", retryable=True
            ) from error


@asynccontextmanager
async def open_hosted_synthesizer(
    hosts: ModelHosts, launch: Launch, voice: str, options: SynthesizerOptions
) -> AsyncGenerator[HostedSynthesizer, None]:
    """Speak with a voice of `hosts` until the block ends.

    Args:
        hosts: where the model runs.
        launch: what runs there.
        voice: name within the model; empty for models with one voice.
        options: format, rate and speed.

    Raises:
        ProviderError: on entering; the options are impossible or the voice cannot be had.
    """
    try:
        check_outbound(options.audio_format, options.sample_rate)
    except ValueError as error:
        raise ProviderMisconfigured(str(error)) from error
    async with hosts.share(launch) as host:
        loaded = await host.ready()
        if voice and voice not in loaded.voices:
            known = ", ".join(loaded.voices[:8]) + (", …" if len(loaded.voices) > 8 else "")
            raise ProviderMisconfigured(
                f"{launch.engine} has no voice {voice!r} (it has {known or 'none'})"
            )
        yield HostedSynthesizer(host, loaded.sample_rate, voice, options)

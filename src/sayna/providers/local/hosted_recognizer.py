"""A `Recognizer` whose engine lives in a worker process."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from sayna.audio.convert import Inbound
from sayna.errors import ConnectionFailed, ProviderError, ProviderMisconfigured
from sayna.providers.local.backlog import BYTES_PER_MS, Backlog, Mark
from sayna.providers.local.model_hosts import Launch, ModelHosts
from sayna.providers.local.model_messages import (
    Audio,
    Broken,
    Finalize,
    Finish,
    Finished,
    FromWorker,
    Heard,
    Open,
    Result,
)
from sayna.providers.local.pipes import Worker
from sayna.speech.events import RecognizerFault, SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions

log = structlog.get_logger(__name__)

RATE_HZ = 16_000
BACKLOG_MS = 5_000.0
"""Audio kept for a slow engine; then the oldest is dropped."""
CHUNK_BYTES = 100 * BYTES_PER_MS
WINDOW_BYTES = 300 * BYTES_PER_MS
"""Audio that the worker may have without having worked through it."""
MAX_EVENTS = 256
"""Events that may wait to be read; then the engine waits, and its audio with it."""


class HostedRecognizer:
    """One caller's stream, as a lane of a host."""

    def __init__(self, options: RecognizerOptions, engine: str) -> None:
        try:
            self._inbound = Inbound(
                options.encoding, options.sample_rate, options.channels, RATE_HZ
            )
        except ValueError as error:
            raise ProviderMisconfigured(str(error)) from error
        self._language = options.language
        self._engine = engine
        self._backlog = Backlog(BACKLOG_MS)
        self._worker: Worker[FromWorker] | None = None
        self._number = 0
        self._unheard_bytes = 0
        self._finishing = False
        self._finish_sent = False
        self._events: deque[SpeechEvent] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self._error: ProviderError | None = None

    @property
    def dropped_ms(self) -> float:
        """Audio that the engine was too slow for."""
        return self._backlog.dropped_ms

    def send_audio(self, audio: bytes) -> None:
        """Convert and queue the next bytes; after `finish` they are ignored."""
        if self._finishing or self._ended:
            return
        wanted = self._inbound.skip(audio, BACKLOG_MS / 1000)
        if len(wanted) < len(audio):
            skipped_ms = (len(audio) - len(wanted)) * 1000 / self._inbound.bytes_per_s
            self._backlog.lose(skipped_ms)
        self._backlog.push(self._inbound.feed(wanted))
        self._pump()

    def finalize(self) -> None:
        """Close the segment behind the audio sent so far."""
        if not self._finishing:
            self._backlog.push(self._inbound.flush())
        self._backlog.mark(Mark.FINALIZE)
        self._pump()

    def finish(self) -> None:
        """End the stream behind the audio sent so far."""
        if self._finishing:
            return
        self._finishing = True
        self._backlog.push(self._inbound.finish())
        self._backlog.mark(Mark.FINISH)
        self._pump()

    async def events(self) -> AsyncGenerator[SpeechEvent, None]:
        """Yield what was heard until `finish` has drained.

        Raises:
            ProviderError: the engine is gone for good.
        """
        while True:
            while self._events:
                event = self._events.popleft()
                self._pump()
                yield event
            if self._error is not None:
                raise self._error
            if self._ended:
                return
            self._news.clear()
            await self._news.wait()

    @property
    def is_waiting(self) -> bool:
        """True while audio or the end of the stream is unanswered."""
        return self._unheard_bytes > 0 or (self._finish_sent and not self._ended)

    def attach(self, number: int, worker: Worker[FromWorker]) -> None:
        """Begin (anew) on a worker."""
        self._number, self._worker = number, worker
        worker.post(Open(number, self._language))
        self._pump()

    def receive(self, message: FromWorker) -> None:
        """Turn the worker's word into an event."""
        match message:
            case Heard(audio_bytes=size):
                self._unheard_bytes = max(0, self._unheard_bytes - size)
                self._pump()
            case Result(_, text, is_final, is_speech_final, confidence):
                self._add(Transcript(text, is_final, is_speech_final, confidence))
            case Broken(why=why):
                self._add(
                    self._fault(f"{self._engine} failed on this stream and began anew: {why}")
                )
            case Finished():
                self._ended = True
                self._news.set()
            case _:
                pass

    def lose(self) -> None:
        """Tell of the worker's death; what it had not heard is lost."""
        self._worker = None
        self._unheard_bytes = 0
        if self._finish_sent:  # the replacement has nothing to add to a stream that was over
            self._ended = True
        self._add(self._fault(f"the {self._engine} worker died and is being replaced"))

    def fail(self, error: ProviderError) -> None:
        """End the stream with an error."""
        self._worker = None
        self._error = error
        self._news.set()

    @staticmethod
    def _fault(detail: str) -> RecognizerFault:
        return RecognizerFault(ConnectionFailed(detail).stt_text)

    def _add(self, event: SpeechEvent) -> None:
        """Queue an event; an interim that nobody read yet is replaced by the next result."""
        last = self._events[-1] if self._events else None
        if isinstance(last, Transcript) and isinstance(event, Transcript) and not last.is_final:
            self._events.pop()
        self._events.append(event)
        self._news.set()

    def _pump(self) -> None:
        """Hand the worker what it has room for."""
        while self._worker is not None and self._unheard_bytes < WINDOW_BYTES:
            if len(self._events) >= MAX_EVENTS:
                return
            match self._backlog.pull(CHUNK_BYTES):
                case None:
                    return
                case Mark.FINALIZE:
                    self._worker.post(Finalize(self._number))
                case Mark.FINISH:
                    self._finish_sent = True
                    self._worker.post(Finish(self._number))
                case bytes() as pcm:
                    self._unheard_bytes += len(pcm)
                    self._worker.post(Audio(self._number, pcm, self._backlog.waiting_ms))


@asynccontextmanager
async def open_hosted_recognizer(
    hosts: ModelHosts, launch: Launch, options: RecognizerOptions
) -> AsyncGenerator[HostedRecognizer, None]:
    """Listen with a model of `hosts` until the block ends.

    Raises:
        ProviderError: on entering; the options are impossible or the model cannot be had.
    """
    recognizer = HostedRecognizer(options, launch.engine)
    async with hosts.share(launch) as host:
        number = host.join(recognizer)
        try:
            yield recognizer
        finally:
            host.leave(number)
            if recognizer.dropped_ms:
                log.warning(
                    "audio_dropped", model=launch.model, dropped_ms=round(recognizer.dropped_ms)
                )

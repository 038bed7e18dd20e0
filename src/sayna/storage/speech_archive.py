"""A folder of utterances, used off the event loop: reads with a limit, writes behind the speaker.

Nothing here raises. A disk that fails or does not answer is left alone for a while, one direction
at a time, and said so once.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple

import structlog

from sayna.storage.speech_file import HEADING_BYTES, MAX_FACTS_BYTES, StoredSpeech
from sayna.storage.speech_folder import Kept, SpeechFolder

log = structlog.get_logger(__name__)

THREADS = 4
MAX_READS = 32
"""Reads under way; beyond that an utterance counts as not there."""

READ_LIMIT_S = 0.25
"""Seconds a caller waits for the disk before the synthesizer is asked instead."""

REST_S = 60.0
"""Seconds that a failing direction is left alone."""

MAX_WAITING = 256
MAX_WAITING_BYTES = 32 * 2**20
"""Utterances and their bytes that wait to be written; beyond that one is not written."""

SWEEP_EVERY_S = 3600.0
SWEEP_SHARE = 20
"""A sweep comes before more than a twentieth of the allowed bytes is written since the last one."""

SPARE_SHARE = 10
"""A sweep that has to evict leaves a tenth of the allowed bytes free."""

CLOSING_LIMIT_S = 5.0
"""Seconds for writing what still waits when the server ends."""


class Rest:
    """Whether one direction of a failing disk is to be left alone.

    Args:
        direction: for the log.
        epoch_s: the time, seconds since 1970.
    """

    def __init__(self, direction: str, epoch_s: Callable[[], float]) -> None:
        self._direction = direction
        self._epoch_s = epoch_s
        self._until_s = 0.0
        self._failing = False

    @property
    def is_over(self) -> bool:
        """Whether the disk may be tried; a clock that was set back does not prolong a rest."""
        return not 0 < self._until_s - self._epoch_s() <= REST_S

    def fail(self, reason: str) -> None:
        """Begin a rest; the first failure in a row is told."""
        if not self._failing:
            log.warning(
                "speech_cache_disk_off", direction=self._direction, reason=reason, rest_s=REST_S
            )
        self._failing = True
        self._until_s = self._epoch_s() + REST_S

    def succeed(self) -> None:
        """End what failures there were."""
        if self._failing:
            log.info("speech_cache_disk_on", direction=self._direction)
        self._failing = False
        self._until_s = 0.0


T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class _Job:
    key: str
    speech: StoredSpeech | None
    """None: only note that it was used."""
    now_s: float
    """When that was, seconds since 1970."""


class SpeechArchive:
    """Utterances on disk, at most so many bytes and so old.

    Bytes are counted as they are written and counted anew by each sweep, so that every further
    process on the same folder may exceed the limit by a twentieth at most.

    Args:
        folder: where they are.
        max_bytes: size of all files together.
        ttl_s: seconds after which an utterance is not used any more.
        epoch_s: the time, seconds since 1970.
    """

    def __init__(
        self,
        folder: SpeechFolder,
        *,
        max_bytes: int,
        ttl_s: float,
        epoch_s: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._epoch_s = epoch_s
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="speech-cache")
        self._closed = False
        self._reads = 0
        self._reading = Rest("read", epoch_s)
        self._writing = Rest("write", epoch_s)
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(MAX_WAITING)
        self._waiting_bytes = 0
        self._new_bytes = 0  # written since the last sweep

    async def find(self, key: str) -> StoredSpeech | None:
        """Return an utterance; None also while the disk is slow, busy or broken."""
        if self._closed or self._reads >= MAX_READS or not self._reading.is_over:
            return None
        self._reads += 1
        reading = asyncio.get_running_loop().run_in_executor(
            self._threads, self._folder.load, key, self._epoch_s(), self._ttl_s
        )
        reading.add_done_callback(self._read_ended)
        try:
            async with asyncio.timeout(READ_LIMIT_S):
                return await asyncio.shield(reading)  # a thread cannot be stopped
        except TimeoutError:
            self._reading.fail(f"no answer within {READ_LIMIT_S:g} s")
        except OSError as error:
            self._reading.fail(_reason(error))
        return None

    def save(self, key: str, speech: StoredSpeech) -> None:
        """Write an utterance soon; not while the disk is broken or far behind."""
        size = _file_bytes(speech)
        if self._waiting_bytes + size <= MAX_WAITING_BYTES and size <= self._max_bytes:
            self._put(_Job(key, speech, self._epoch_s()))

    def touch(self, key: str) -> None:
        """Note soon that an utterance was used."""
        self._put(_Job(key, None, self._epoch_s()))

    async def wait_saved(self) -> None:
        """Wait until everything that was to be written has been, or was given up."""
        await self._jobs.join()

    async def work(self) -> None:
        """Write what comes and sweep now and then, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            with self._failing_softly():
                await self._sweep(0)
            until = loop.time() + SWEEP_EVERY_S
            while (job := await self._next(until)) is not None:
                with self._failing_softly():
                    await self._do(job)
                self._jobs.task_done()

    def close(self) -> None:
        """Begin nothing more; a thread that the disk holds back ends when the disk lets it."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _read_ended(self, reading: asyncio.Future[StoredSpeech | None]) -> None:
        self._reads -= 1
        if not reading.cancelled() and reading.exception() is None:
            self._reading.succeed()

    def _put(self, job: _Job) -> None:
        if self._writing.is_over and not self._jobs.full():
            self._jobs.put_nowait(job)
            self._waiting_bytes += _file_bytes(job.speech)

    async def _next(self, until: float) -> _Job | None:
        """Return the next job; None when it is time to sweep."""
        try:
            async with asyncio.timeout_at(until):
                job = await self._jobs.get()
        except TimeoutError:
            return None
        self._waiting_bytes -= _file_bytes(job.speech)
        return job

    async def _do(self, job: _Job) -> None:
        if not self._writing.is_over:
            return
        if job.speech is None:
            await self._run(self._folder.touch, job.key, job.now_s)
            return
        size = _file_bytes(job.speech)
        if self._new_bytes + size > self._max_bytes // SWEEP_SHARE:
            await self._sweep(size)
        self._new_bytes += await self._run(self._folder.save, job.key, job.speech, job.now_s)
        self._writing.succeed()

    async def _sweep(self, size: int) -> None:
        """Remove what is old and what a crash left, then the longest unread until `size` fits."""
        orphans = await self._run(self._folder.remove_orphans)
        oldest_s = self._epoch_s() - self._ttl_s
        kept: list[Kept] = []
        for shard in await self._run(self._folder.shards):  # one at a time: threads share our core
            kept += await self._run(self._folder.look_through, shard, oldest_s)
        held_bytes = sum(one.size for one in kept)
        evicted: list[Kept] = []
        if held_bytes + max(size, self._max_bytes // SWEEP_SHARE) > self._max_bytes:
            excess = held_bytes + size - (self._max_bytes - self._max_bytes // SPARE_SHARE)
            evicted = _longest_unread(kept, excess)
            await self._run(self._folder.remove, [one.path for one in evicted])
        self._new_bytes = 0
        log.debug("speech_cache_swept", bytes=held_bytes, evicted=len(evicted), orphans=orphans)

    async def _run(self, work: Callable[[*Ts], T], *args: *Ts) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)

    @contextmanager
    def _failing_softly(self) -> Generator[None, None, None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a cache is no reason for a server to end
            self._writing.fail(_reason(error))


@asynccontextmanager
async def open_archive(
    folder: SpeechFolder, *, max_bytes: int, ttl_s: float, epoch_s: Callable[[], float]
) -> AsyncGenerator[SpeechArchive, None]:
    """Use a folder until the block ends; what waits to be written then gets a few seconds."""
    archive = SpeechArchive(folder, max_bytes=max_bytes, ttl_s=ttl_s, epoch_s=epoch_s)
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(archive.work(), name="speech-cache")
        try:
            yield archive
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSING_LIMIT_S):
                    await archive.wait_saved()
            working.cancel()
            archive.close()


def _file_bytes(speech: StoredSpeech | None) -> int:
    """Return about how large the file will be, rather too much."""
    return 0 if speech is None else len(speech.audio) + HEADING_BYTES + MAX_FACTS_BYTES


def _longest_unread(kept: list[Kept], excess: int) -> list[Kept]:
    """Choose files of `excess` bytes together, those first that nobody has read for longest."""
    chosen: list[Kept] = []
    for one in sorted(kept, key=lambda one: one.read_s):
        if excess <= 0:
            break
        excess -= one.size
        chosen.append(one)
    return chosen


def _reason(error: Exception) -> str:
    """Return what may be told: no path, no text."""
    told = error.strerror if isinstance(error, OSError) else None
    return told or type(error).__name__

"""The worker processes that hold models: shared by sessions, watched, replaced when they die.

A `Host` is one process with one model. A `Lane` is one stream or utterance of it. `ModelHosts`
starts hosts when they are needed and ends them all when its block ends.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import msgspec
import structlog

from sayna.errors import (
    ConnectionFailed,
    ProviderError,
    ProviderMisconfigured,
    ProviderNotReady,
    ProviderTimeout,
)
from sayna.providers.local.model_messages import (
    Close,
    FromWorker,
    Load,
    Loaded,
    Unloadable,
)
from sayna.providers.local.pipes import Worker, WorkerLost, open_worker

log = structlog.get_logger(__name__)

LOAD_TIMEOUT_S = 90.0
"""From starting a worker to a loaded model."""
SILENCE_S = 15.0
"""How often a working host must say something; twice as long and it counts as stuck."""
MAX_DEATHS = 3
"""A worker that dies so often without having done any work between ends what it was to serve."""
STEADY_S = 10.0
"""A worker that lived so long did nothing wrong at its start, even if it had no work."""
BACKOFF_S = 0.1
"""Between an early death and the next worker; doubled each time."""
REST_S = 5.0
"""Between the last of `MAX_DEATHS` early deaths and another try."""
MAX_IDLE_HOSTS = 2
"""Models that stay in memory though nobody uses them."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What it takes to start a worker; equal launches share their workers."""

    module: str
    """`sayna.providers.local.…_worker`."""
    engine: str
    model: str
    """How clients name the model, such as `vosk:small-en`."""
    files: tuple[tuple[str, str], ...]
    processes: int = 1
    """Workers of this launch at most."""
    lanes_per_process: int = 8
    threads: int = 1

    def load_order(self) -> Load:
        """Return the worker's first message."""
        return Load(self.engine, dict(self.files), self.threads)


class Lane(Protocol):
    """One stream or utterance, as its host sees it. Nothing here waits."""

    @property
    def is_waiting(self) -> bool:
        """True while the worker owes this lane something."""
        ...

    def attach(self, number: int, worker: Worker[FromWorker]) -> None:
        """A worker is up and knows nothing of this lane yet."""
        ...

    def receive(self, message: FromWorker) -> None:
        """The worker said something on this lane."""
        ...

    def lose(self) -> None:
        """The worker died; another one is being started."""
        ...

    def fail(self, error: ProviderError) -> None:
        """There will be no other worker."""
        ...


class Host:
    """One worker process with one model, and its successors."""

    def __init__(self, launch: Launch, numbers: "itertools.count[int]") -> None:
        self.launch = launch
        self.users = 0
        self.deaths = 0
        """Ever; for tests and for operators."""
        self._numbers = numbers
        self._lanes: dict[int, Lane] = {}
        self._worker: Worker[FromWorker] | None = None
        self._error: ProviderError | None = None
        self._changed = asyncio.Event()
        self._loaded: Loaded | None = None

    @property
    def is_over(self) -> bool:
        """True when this host gave up, or rests before it tries again."""
        return self._error is not None

    @property
    def pid(self) -> int | None:
        """Of the worker that runs now."""
        return self._worker.pid if self._worker else None

    async def ready(self) -> Loaded:
        """Wait until the model is loaded; bounded, because loading is.

        Raises:
            ProviderError: it cannot be loaded.
        """
        while self._worker is None or self._loaded is None:
            if self._error is not None:
                raise self._error
            await self._changed.wait()
        return self._loaded

    def join(self, lane: Lane) -> int:
        """Add a lane; it is attached now or when a worker is up. Returns its number."""
        number = next(self._numbers)
        self._lanes[number] = lane
        if self._error is not None:
            lane.fail(self._error)
        elif self._worker is not None:
            lane.attach(number, self._worker)
        return number

    def leave(self, number: int) -> None:
        """Forget a lane; what the worker still says on it is dropped."""
        self._lanes.pop(number, None)
        if self._worker is not None:
            self._worker.post(Close(number))

    async def run(self) -> None:
        """Keep a worker running until cancelled, or until there is no point in it."""
        try:
            await self._keep_alive()
        except Exception:  # whoever waits for this host must hear of our mistake too
            log.exception("model_host_failed", model=self.launch.model)
            self._give_up(ConnectionFailed(f"the worker of {self.launch.model} is out of order"))

    async def _keep_alive(self) -> None:
        barren = 0
        while True:
            born = asyncio.get_running_loop().time()
            try:
                worked = await self._live()
            except ProviderError as error:
                self._give_up(error)
                if self._loaded is None:  # its files are at fault, or there is no such engine
                    return
                barren = MAX_DEATHS
            else:
                self.deaths += 1
                lived_s = asyncio.get_running_loop().time() - born
                barren = 0 if worked or lived_s > STEADY_S else barren + 1
                log.warning("model_worker_died", model=self.launch.model, deaths=self.deaths)
            await self._recover(barren)

    async def _recover(self, barren: int) -> None:
        """Tell the lanes of a death, and wait the longer the more workers died early."""
        if barren >= MAX_DEATHS:
            if self._error is None:
                self._give_up(ConnectionFailed(f"the worker of {self.launch.model} keeps dying"))
            await asyncio.sleep(REST_S)
            self._error = None
            self._announce()
            return
        for lane in tuple(self._lanes.values()):
            lane.lose()
        if barren:
            await asyncio.sleep(BACKOFF_S * 2 ** (barren - 1))

    async def _live(self) -> bool:
        """Live through one worker's life; True when it did any work."""
        decoder = msgspec.msgpack.Decoder[FromWorker](FromWorker)
        try:
            async with open_worker(self.launch.module, decoder) as worker:
                try:
                    await self._load(worker)
                    return await self._dispatch(worker)
                except WorkerLost:  # while loading what was loaded before
                    return False
                finally:
                    self._worker = None
        except OSError as error:
            raise ConnectionFailed(f"no worker for {self.launch.model} can be started") from error

    async def _load(self, worker: Worker[FromWorker]) -> None:
        model = self.launch.model
        worker.post(self.launch.load_order())
        try:
            async with asyncio.timeout(LOAD_TIMEOUT_S):
                answer = await worker.receive()
        except TimeoutError as error:
            raise ProviderTimeout(f"loading {model} took over {LOAD_TIMEOUT_S:g} s") from error
        except WorkerLost as error:
            if self._loaded is not None:
                raise
            raise ConnectionFailed(
                f"the worker of {model} ended while loading it: the files may be damaged, of"
                " another kind, or too big for this machine"
            ) from error
        if isinstance(answer, Unloadable):
            raise ProviderMisconfigured(
                f"{self.launch.engine} cannot load {model}: its files are damaged or of another"
                f" kind ({answer.why})"
            )
        if not isinstance(answer, Loaded):
            raise ConnectionFailed(f"the worker of {model} does not make sense")
        self._loaded, self._worker = answer, worker
        self._announce()
        for number, lane in tuple(self._lanes.items()):
            lane.attach(number, worker)

    async def _dispatch(self, worker: Worker[FromWorker]) -> bool:
        worked = False
        silences = 0
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    message = await worker.receive()
            except TimeoutError:
                waiting = any(lane.is_waiting for lane in self._lanes.values())
                silences = silences + 1 if waiting else 0
                if silences >= 2:
                    worker.kill()
            except WorkerLost:
                return worked
            else:
                silences = 0
                worked = True
                if not isinstance(message, Loaded | Unloadable):
                    lane = self._lanes.get(message.lane)
                    if lane is not None:
                        lane.receive(message)

    def _announce(self) -> None:
        """Wake whoever waits for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _give_up(self, error: ProviderError) -> None:
        self._error = error
        self._announce()
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            lane.fail(error)


class ModelHosts:
    """Every model worker of one provider. Made by `open_hosts`."""

    def __init__(self, max_idle: int) -> None:
        self._max_idle = max_idle
        self._numbers = itertools.count(1)
        self._running: dict[Host, asyncio.Task[None]] = {}

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Those that run now, oldest first."""
        return tuple(self._running)

    @asynccontextmanager
    async def share(self, launch: Launch) -> AsyncGenerator[Host, None]:
        """Use a loaded model until the block ends.

        Raises:
            ProviderError: on entering; it cannot be loaded or all its places are taken.
        """
        host = self._choose(launch)
        host.users += 1
        try:
            await host.ready()
            yield host
        finally:
            host.users -= 1
            await self._end_some()

    def _choose(self, launch: Launch) -> Host:
        mine = [host for host in self._running if host.launch == launch and not host.is_over]
        best = min(mine, key=lambda host: host.users, default=None)
        if best is not None and (best.users == 0 or len(mine) >= launch.processes):
            if best.users >= launch.lanes_per_process:
                places = launch.processes * launch.lanes_per_process
                raise ProviderNotReady(
                    f"all {places} places of {launch.model} are taken", retryable=True
                )
            return best
        host = Host(launch, self._numbers)
        self._running[host] = asyncio.create_task(host.run(), name=f"host {launch.model}")
        return host

    async def _end_some(self) -> None:
        """End hosts that gave up, and the oldest idle ones beyond what may linger."""
        idle = [host for host in self._running if not host.users and not host.is_over]
        over = [host for host in self._running if not host.users and host.is_over]
        await self._end(*over, *idle[: max(0, len(idle) - self._max_idle)])

    async def _end(self, *hosts: Host) -> None:
        tasks = [self._running.pop(host) for host in hosts]
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def close(self) -> None:
        """End every worker."""
        await self._end(*self._running)


@asynccontextmanager
async def open_hosts(*, max_idle: int = MAX_IDLE_HOSTS) -> AsyncGenerator[ModelHosts, None]:
    """Keep models in worker processes until the block ends."""
    hosts = ModelHosts(max_idle)
    try:
        yield hosts
    finally:
        await hosts.close()

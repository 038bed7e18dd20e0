"""What sessions cost: how many fit on one core, and what each of them takes.

A provider inside the server counts frames and answers every fiftieth, so that what is left is the
server's own work. With `--provider deepgram` every frame goes on to a vendor behind a socket, which
counts in its place: what a relay does.

The server has core 0 for itself, the callers share the others. Two stages for each server: a fixed
number of sessions for cost, latency and memory; then a search, by steps and halves, for the most
sessions whose results come within the limit. A step that fails is tried once more, because a
neighbour on the machine looks just like too many sessions; `core_taken_percent` says how long the
server had to wait for others on its core.
"""

import argparse
import gc
import math
from typing import TypedDict

import uvloop

from bench.load import Caller, Overloaded, Streamed, connect, hang_up, percentile, settle, stream
from bench.servers import PROVIDERS, SERVER_CORE, Measured, missing, relaying, running

SERVERS = ("ours", "aiohttp", "pipecat", "fastapi")
USUAL = ("ours", "aiohttp", "pipecat")
LIMIT_MS = 20.0
"""For the 99th of a hundred results; a frame lasts as long."""

LOAD_LIMIT_MS = 10.0
"""How late the load itself may be for a step to say anything about the server."""

FIRST_SHARE = 0.6
"""Of the sessions that the cost of a frame allows: where the search begins."""

AIM = 0.9
"""Share of the core that the next step upwards is to need."""

LEAST_STEP, MOST_STEP = 1.12, 1.5
CLOSE_ENOUGH = 1.06
MAX_STEPS = 7
TRIES = 2
MOST_SESSIONS = 6000
WARM_S = 1.0
OPENING = 20
"""Sessions that open at a time."""
RELAYS = ("ours", "aiohttp")
"""Servers that can be measured with a vendor behind a socket."""

FITS, TOO_MANY, LOAD_LATE = "fits", "too many", "the load was late"


class Cost(TypedDict):
    """One server's figures at a fixed number of sessions."""

    sessions: int
    frames: int
    ready_p50_ms: float
    """From the config to `ready`, a few sessions opening at a time."""
    ready_most_ms: float
    cpu_us_per_frame: float
    cpu_percent_of_a_core: float
    result_p50_ms: float
    result_p99_ms: float
    first_audio_p50_ms: float
    first_audio_p99_ms: float
    load_late_p99_ms: float
    core_taken_percent: float
    lost: int
    empty_mib: float
    kib_per_session: float


class Step(TypedDict):
    """One step of the search."""

    sessions: int
    result_p99_ms: float
    cpu_percent_of_a_core: float
    load_late_p99_ms: float
    core_taken_percent: float
    lost: int
    verdict: str


class Capacity(TypedDict):
    """The most sessions on one core."""

    sessions_per_core: int
    limited_by: str
    """`server`, or `load`: the callers could not send more, so the server may carry more."""
    steps: list[Step]


class Figures(TypedDict, total=False):
    """Everything about one server."""

    server: str
    cost: Cost
    capacity: Capacity
    missing: str


class Load:
    """The callers of one server, as many as the largest step so far."""

    def __init__(self, server: Measured, provider: str = "counting") -> None:
        self._server = server
        self._provider = provider
        self._callers: list[Caller] = []

    async def run(self, sessions: int, seconds: float) -> tuple[Cost, Streamed]:
        """Let so many talk, and read the figures.

        Args:
            sessions: those beyond are silent.
            seconds: measured, after one that is not.
        """
        misleading = [caller for caller in self._callers if caller.misleads]
        await hang_up(misleading)
        self._callers = [caller for caller in self._callers if not caller.misleads]
        empty_kib = self._server.resident_kib()
        known = len(self._callers)
        if known < sessions:
            self._callers += await connect(
                self._server.port,
                sessions - known,
                first=known,
                provider=self._provider,
                together=OPENING,
            )
        talking = self._callers[:sessions]
        await stream(talking, WARM_S)
        await settle(talking)
        for caller in talking:
            caller.waits_ms.clear()
            caller.first_audio_ms.clear()
        gc.collect()
        gc.freeze()
        before_s, waited_s = self._server.cpu_s(), self._server.waited_s()
        streamed = await stream(talking, seconds)
        spent_s = self._server.cpu_s() - before_s
        waited_s = self._server.waited_s() - waited_s
        lost = await settle(talking)
        waits = [wait for caller in talking for wait in caller.waits_ms]
        first = [wait for caller in talking for wait in caller.first_audio_ms]
        full_kib = self._server.resident_kib()
        ready = [caller.ready_ms for caller in self._callers[known:]]
        cost = Cost(
            sessions=sessions,
            frames=streamed.frames,
            ready_p50_ms=round(percentile(ready, 0.5), 2),
            ready_most_ms=round(max(ready, default=math.nan), 2),
            cpu_us_per_frame=round(spent_s / streamed.frames * 1e6, 2),
            cpu_percent_of_a_core=round(spent_s / seconds * 100, 1),
            result_p50_ms=round(percentile(waits, 0.5), 3),
            result_p99_ms=round(percentile(waits, 0.99), 3),
            first_audio_p50_ms=round(percentile(first, 0.5), 3),
            first_audio_p99_ms=round(percentile(first, 0.99), 3),
            load_late_p99_ms=round(streamed.late_p99_ms, 2),
            core_taken_percent=round(waited_s / seconds * 100, 2),
            lost=lost,
            empty_mib=round(empty_kib / 1024, 1),
            kib_per_session=round((full_kib - empty_kib) / max(1, sessions - known), 1),
        )
        return cost, streamed

    async def open_and_leave(self) -> None:
        """Let a few sessions come and go: the server is warm."""
        port = self._server.port
        await hang_up(await connect(port, OPENING, provider=self._provider, together=OPENING))

    async def hang_up(self) -> None:
        """End every session."""
        await hang_up(self._callers)
        self._callers.clear()


async def step(load: Load, sessions: int, seconds: float) -> Step:
    """Try a number of sessions."""
    try:
        cost, streamed = await load.run(sessions, seconds)
    except Overloaded:
        print(f"  {sessions} sessions: not all of them were let in", flush=True)
        return refused(sessions)
    verdict = FITS
    if streamed.late_p99_ms > LOAD_LIMIT_MS:
        verdict = LOAD_LATE
    elif cost["lost"] or not cost["result_p99_ms"] < LIMIT_MS:
        verdict = TOO_MANY
    tried = Step(
        sessions=sessions,
        result_p99_ms=cost["result_p99_ms"],
        cpu_percent_of_a_core=cost["cpu_percent_of_a_core"],
        load_late_p99_ms=cost["load_late_p99_ms"],
        core_taken_percent=cost["core_taken_percent"],
        lost=cost["lost"],
        verdict=verdict,
    )
    print(
        f"  {sessions} sessions: p99 {tried['result_p99_ms']} ms,"
        f" {tried['cpu_percent_of_a_core']} % of the core"
        f" (others {tried['core_taken_percent']} %), {verdict}",
        flush=True,
    )
    return tried


def refused(sessions: int) -> Step:
    """Return a step that came to nothing."""
    nothing = math.nan
    return Step(
        sessions=sessions,
        result_p99_ms=nothing,
        cpu_percent_of_a_core=nothing,
        load_late_p99_ms=nothing,
        core_taken_percent=nothing,
        lost=sessions,
        verdict=TOO_MANY,
    )


async def search(load: Load, cost: Cost, seconds: float) -> Capacity:
    """Find the most sessions: upwards by steps, then between what fits and what does not."""
    allowed = 1e6 / (50 * max(cost["cpu_us_per_frame"], 1.0))
    sessions = min(MOST_SESSIONS, max(8, round(allowed * FIRST_SHARE)))
    fits, too_many, upwards = 0, MOST_SESSIONS + 1, LEAST_STEP
    limited_by = "load"
    steps: list[Step] = []
    for _ in range(MAX_STEPS):
        for _ in range(TRIES):
            steps.append(await step(load, sessions, seconds))
            if steps[-1]["verdict"] == FITS:
                break
        if steps[-1]["verdict"] == FITS:
            fits = sessions
            busy = steps[-1]["cpu_percent_of_a_core"] / 100
            upwards = min(MOST_STEP, max(LEAST_STEP, AIM / max(busy, 0.01)))
        else:
            too_many = sessions
            limited_by = "server" if steps[-1]["verdict"] == TOO_MANY else "load"
        if fits and too_many / fits < CLOSE_ENOUGH:
            break
        sessions = next_try(fits, too_many, upwards)
    return Capacity(sessions_per_core=fits, limited_by=limited_by, steps=steps)


def next_try(fits: int, too_many: int, upwards: float) -> int:
    """Return how many sessions to try next."""
    if not fits:
        return max(1, too_many // 2)
    if too_many > MOST_SESSIONS:
        return min(MOST_SESSIONS, math.ceil(fits * upwards))
    return (fits + too_many) // 2


async def measure(
    server: Measured,
    sessions: int,
    seconds: float,
    step_seconds: float | None,
    provider: str = "counting",
) -> Figures:
    """Put one server under load, fixed and rising.

    Args:
        server: running, empty.
        sessions: of the fixed stage.
        seconds: of the fixed stage.
        step_seconds: of each step of the search; None: no search.
        provider: that hears and speaks.
    """
    load = Load(server, provider)
    await load.open_and_leave()
    cost, _ = await load.run(sessions, seconds)
    print(f"  {render(cost)}", flush=True)
    figures = Figures(server=server.name, cost=cost)
    if step_seconds is not None:
        figures["capacity"] = await search(load, cost, step_seconds)
        print(f"  {figures['capacity']['sessions_per_core']} sessions per core", flush=True)
    await load.hang_up()
    return figures


def render(cost: Cost) -> str:
    """Write the figures of the fixed stage in one line."""
    return (
        f"{cost['sessions']} sessions, ready within {cost['ready_p50_ms']} ms,"
        f" at most {cost['ready_most_ms']} ms: {cost['cpu_us_per_frame']} us of CPU per frame,"
        f" results p50 {cost['result_p50_ms']} / p99 {cost['result_p99_ms']} ms"
        f" (others had the core {cost['core_taken_percent']} % of the time),"
        f" {cost['kib_per_session']} KiB per session above {cost['empty_mib']} MiB"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--sessions", type=int, default=300, help="of the fixed stage (300)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the fixed stage (10)")
    parser.add_argument("--step-seconds", type=float, default=4.0, help="of a step (4)")
    parser.add_argument("--no-search", action="store_true", help="only the fixed stage")
    parser.add_argument("--only", nargs="+", choices=SERVERS, default=USUAL, metavar="SERVER")
    parser.add_argument(
        "--provider",
        choices=PROVIDERS,
        default=PROVIDERS[0],
        help="counting: inside the server; deepgram: behind a socket, as a vendor is",
    )


def run(chosen: argparse.Namespace) -> list[Figures]:
    """Measure each server in turn."""
    measured: list[Figures] = []
    for name in chosen.only:
        print(f"many_sessions: {name}", flush=True)
        why = missing(name)
        if why is None and chosen.provider != "counting" and name not in RELAYS:
            why = f"{name} is not measured as a relay."
        if why is not None:
            print(f"  {why}", flush=True)
            measured.append(Figures(server=name, missing=why))
            continue
        step_seconds = None if chosen.no_search else chosen.step_seconds
        with (
            relaying(chosen.provider) as settings,
            running(name, core=SERVER_CORE, settings=settings) as server,
        ):
            measured.append(
                uvloop.run(
                    measure(server, chosen.sessions, chosen.seconds, step_seconds, chosen.provider)
                )
            )
    return measured

"""What a session costs: inbound frames, first audio, memory; ours beside plain Python servers."""

import asyncio
import statistics
from typing import TypedDict

from bench.load import connect, hang_up, stream
from bench.servers import Measured, running


class Cost(TypedDict):
    """One server's figures."""

    server: str
    sessions: int
    frames: int
    cpu_us_per_frame: float
    cpu_percent_of_a_core: float
    result_p50_ms: float
    result_p99_ms: float
    first_audio_p50_ms: float
    first_audio_p99_ms: float
    empty_mib: float
    kib_per_session: float


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of all stay below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def measure(server: Measured, sessions: int, seconds: float) -> Cost:
    """Put one server under load and read its figures."""
    empty_kib = server.resident_kib()
    callers = await connect(server.port, sessions)
    await stream(callers, 1.0)  # warm
    for caller in callers:
        caller.waits_ms.clear()
    before_s = server.cpu_s()
    frames = await stream(callers, seconds)
    spent_s = server.cpu_s() - before_s
    full_kib = server.resident_kib()
    for number in range(50):  # new texts: what is cached is measured in bench.first_audio
        await callers[0].speak(b'{"type":"speak","text":"Sentence %d."}' % number)
    waits = [wait for caller in callers for wait in caller.waits_ms]
    first = callers[0].first_audio_ms
    await hang_up(callers)
    return Cost(
        server=server.name,
        sessions=sessions,
        frames=frames,
        cpu_us_per_frame=round(spent_s / frames * 1e6, 1),
        cpu_percent_of_a_core=round(spent_s / seconds * 100, 1),
        result_p50_ms=round(statistics.median(waits), 2),
        result_p99_ms=round(percentile(waits, 0.99), 2),
        first_audio_p50_ms=round(statistics.median(first), 2),
        first_audio_p99_ms=round(percentile(first, 0.99), 2),
        empty_mib=round(empty_kib / 1024, 1),
        kib_per_session=round((full_kib - empty_kib) / sessions, 1),
    )


def run(names: list[str], sessions: int, seconds: float) -> list[Cost]:
    """Measure each server in turn: the server on core 0, the callers on the others."""
    costs: list[Cost] = []
    for name in names:
        with running(name, core=0) as server:
            costs.append(asyncio.run(measure(server, sessions, seconds)))
            print(costs[-1], flush=True)
    return costs

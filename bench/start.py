"""From the start of the process to its first 200 on `GET /`."""

import argparse
import http.client
import socket
import statistics
import time
from typing import TypedDict

from bench.servers import SERVER_CORE, cpu_s, started

SERVERS = ("ours", "aiohttp")
LIMIT_S = 30.0
PAUSE_S = 0.002


class Start(TypedDict):
    """One server's starts, seconds."""

    server: str
    runs: int
    median_s: float
    least_s: float
    most_s: float
    cpu_median_s: float
    """User and system time until then: what a busy machine does not change."""


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Ask once; a refused connection is no answer."""
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        asking.request("GET", "/")
        return asking.getresponse().status == http.HTTPStatus.OK
    except ConnectionError:
        return False
    finally:
        asking.close()


def time_start(name: str) -> tuple[float, float]:
    """Start a server once; return the seconds to the first 200, passed and spent."""
    port = free_port()
    began = time.perf_counter()
    with started(name, port=port, core=SERVER_CORE) as process:
        give_up_at = began + LIMIT_S
        while not answers(port):
            if process.poll() is not None or time.perf_counter() > give_up_at:
                raise RuntimeError(f"{name} did not start")
            time.sleep(PAUSE_S)
        return time.perf_counter() - began, cpu_s(process.pid)


def measure(name: str, runs: int) -> Start:
    """Start a server several times; the first one only warms the disk."""
    time_start(name)
    timed = [time_start(name) for _ in range(runs)]
    passed = [one[0] for one in timed]
    figures = Start(
        server=name,
        runs=runs,
        median_s=round(statistics.median(passed), 3),
        least_s=round(min(passed), 3),
        most_s=round(max(passed), 3),
        cpu_median_s=round(statistics.median(one[1] for one in timed), 3),
    )
    print(
        f"  {name}: {figures['median_s']} s ({figures['least_s']} to {figures['most_s']}),"
        f" {figures['cpu_median_s']} s of CPU",
        flush=True,
    )
    return figures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--runs", type=int, default=9, help="of each server (9)")
    parser.add_argument("--only", nargs="+", choices=SERVERS, default=SERVERS, metavar="SERVER")


def run(chosen: argparse.Namespace) -> list[Start]:
    """Measure each server in turn."""
    return [measure(name, chosen.runs) for name in chosen.only]

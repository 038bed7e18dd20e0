"""`make bench`: measure, print a table, write bench/results/DATE.json."""

import argparse
import asyncio
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench import first_audio
from bench.conversations import run
from bench.local_engines import measure

RESULTS = Path(__file__).parent / "results"
NAMES = ["ours", "aiohttp", "fastapi"]


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--servers", nargs="+", choices=NAMES, default=NAMES)
    chosen = parser.parse_args()
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        os.sched_setaffinity(0, cores - {0})  # the server gets core 0 for itself
    costs = run(chosen.servers, chosen.sessions, chosen.seconds)
    first = first_audio.run()
    os.sched_setaffinity(0, cores)
    engines = asyncio.run(measure())
    now = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y-%m-%d}.json"
    report = {
        "measured_at": now.isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": len(cores),
        "costs": costs,
        "first_audio": first,
        "local_engines": engines,
    }
    path.write_text(json.dumps(report, indent=1) + "\n")
    columns = list(costs[0])
    print(" | ".join(columns))
    for cost in costs:
        print(" | ".join(str(value) for value in cost.values()))
    for one in first:
        print(" | ".join(str(value) for value in one.values()))
    for what, figure in engines.items():
        print(f"{what}: {figure}")
    print(f"written to {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

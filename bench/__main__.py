"""`make bench`: measure, print, keep the figures in bench/results/DATE.json.

Without a name, everything is measured one after the other, which takes about seven minutes; with
one, only that, and its own options are there: `python -m bench many_sessions --help`.
"""

import argparse
import json
import os
import platform
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from bench import audio_path, first_audio, local_engines, many_sessions, start
from bench.servers import other_cores, pinned

RESULTS = Path(__file__).parent / "results"


class Measurement(NamedTuple):
    """One of the things to measure."""

    about: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], object]
    quick: tuple[str, ...]
    """Options of `--quick`."""
    loads_server: bool = False
    """It keeps off the core of the server that it loads."""


MEASUREMENTS = {
    "many_sessions": Measurement(
        "sessions on one core, and what each costs, beside other servers",
        many_sessions.add_arguments,
        many_sessions.run,
        ("--sessions", "100", "--seconds", "3", "--no-search"),
        loads_server=True,
    ),
    "first_audio": Measurement(
        "from `speak` to the first byte; the gap between utterances",
        first_audio.add_arguments,
        first_audio.run,
        ("--rounds", "50"),
        loads_server=True,
    ),
    "start": Measurement(
        "from the start of the process to its first 200",
        start.add_arguments,
        start.run,
        ("--runs", "3"),
        loads_server=True,
    ),
    "audio_path": Measurement(
        "what each hop of a frame takes, without a network",
        audio_path.add_arguments,
        audio_path.run,
        ("--frames", "5000"),
    ),
    "local_engines": Measurement(
        "how soon the local engines speak, and how well they hear",
        local_engines.add_arguments,
        local_engines.run,
        ("--voices", "1"),
    ),
}


def parse(words: list[str]) -> tuple[argparse.Namespace, list[str], argparse.ArgumentParser]:
    """Read the command line; return what it says, and the names of what is to be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="everything, roughly, in a minute")
    parser.add_argument("--output", type=Path, help="where to keep the figures")
    names = parser.add_subparsers(dest="name", metavar="NAME", title="measurements")
    for name, one in MEASUREMENTS.items():
        one.add_arguments(names.add_parser(name, help=one.about, description=one.about))
    chosen = parser.parse_args(words)
    return chosen, list(MEASUREMENTS) if chosen.name is None else [chosen.name], parser


def main() -> int:
    """Measure and write."""
    chosen, names, parser = parse(sys.argv[1:])
    allow_many_files()
    began = datetime.now(UTC)
    report: dict[str, object] = {
        "measured_at": began.isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
        "commit": commit(),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average_before": os.getloadavg(),
    }
    for name in names:
        one = MEASUREMENTS[name]
        options = chosen
        if chosen.name is None:
            options = parser.parse_args([name, *(one.quick if chosen.quick else ())])
        print(f"\n== {name}: {one.about}", flush=True)
        started_at = time.monotonic()
        with pinned(other_cores() if one.loads_server else set()):
            report[name] = one.run(options)
        print(f"   ({time.monotonic() - started_at:.0f} s)", flush=True)
    report["load_average_after"] = os.getloadavg()
    path = chosen.output or default_path(began, chosen)
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = json.loads(json.dumps(report), parse_constant=lambda _: None)  # JSON knows no NaN
    path.write_text(json.dumps(sound, indent=1) + "\n")
    print(f"\nwritten to {path}; load average before {report['load_average_before']}")
    return 0


def default_path(began: datetime, chosen: argparse.Namespace) -> Path:
    """Return where the figures of this run go: one file a day for each kind of run."""
    parts = [f"{began:%Y-%m-%d}", *([chosen.name] if chosen.name else [])]
    return RESULTS / f"{'-'.join([*parts, *(['quick'] if chosen.quick else [])])}.json"


def allow_many_files() -> None:
    """Let this process and the servers that it starts open as many sockets as they may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def commit() -> str:
    """Name what is measured, as git does; empty where there is no git."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty"],  # noqa: S607 - wherever git is
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return said.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())

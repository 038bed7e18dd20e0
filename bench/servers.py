"""Server processes under measurement: ours with the provider `counting`, and its peers.

A server that relays has a vendor besides, `counting_vendor`: a process on the cores of the load.
"""

import os
import re
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.parts import BENCH

ROOT = Path(__file__).parent.parent
ADDRESS = re.compile(
    r"(?:listening on |running on \x1b?.*?http://)127\.0\.0\.1:(\d+)|http://127\.0\.0\.1:(\d+)"
)
OURS = (sys.executable, "-m", "sayna", "serve", "--host", "127.0.0.1")
PROVIDERS = ("counting", "deepgram")
"""That can be measured: one inside the server, one with its vendor behind a socket."""

SERVER_CORE = 0
"""That a server under measurement gets for itself; whoever loads it stays off it."""

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """A running server whose cost can be read at any time."""

    name: str
    pid: int
    port: int

    def cpu_s(self) -> float:
        """User and system time of the process so far, seconds."""
        return cpu_s(self.pid)

    def waited_s(self) -> float:
        """How long the process could have run so far but another one had its core, seconds."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[1]) / 1e9

    def resident_kib(self) -> int:
        """Resident memory of the process, KiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        match = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert match
        return int(match[1])


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def write_plugin(folder: Path) -> None:
    """Make an installed package out of `bench.counting`, as anyone's provider would be."""
    info = folder / "sayna_bench-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sayna-bench\nVersion: 0\n")
    (info / "entry_points.txt").write_text(
        "[sayna.providers]\ncounting = bench.counting:open_provider\n"
    )


@contextmanager
def relaying(provider: str) -> Generator[dict[str, str], None, None]:
    """Run the vendor that a provider stands for; yield the settings that lead to it.

    Args:
        provider: `deepgram`; `counting` is inside the server and needs nothing.
    """
    if provider == "counting":
        yield {}
        return
    with subprocess.Popen(
        [sys.executable, "-m", "bench.counting_vendor"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        try:
            streams, requests = process.stdout.readline(), process.stdout.readline()
            yield {
                "DEEPGRAM_API_KEY": "counted",
                "DEEPGRAM_WS_URL": streams.strip(),
                "DEEPGRAM_BASE_URL": requests.strip(),
            }
        finally:
            process.terminate()


def missing(name: str) -> str | None:
    """Return why a server cannot be run here, and the cure; None: it can."""
    if name == "pipecat" and not BENCH.present:
        return f"Pipecat is not installed: `{BENCH.cure}` to compare with it."
    return None


def command(name: str, port: int = 0) -> list[str]:
    """Return what starts a server; port 0: a free one."""
    match name:
        case "ours":
            return [*OURS, "--port", str(port)]
        case "pipecat":
            return [str(ROOT / BENCH.python), "-m", "bench.pipecat_gateway"]
        case _:
            return [sys.executable, "-m", "bench.peers", name, "--port", str(port)]


@contextmanager
def started(
    name: str,
    *,
    port: int = 0,
    core: int | None = None,
    settings: Mapping[str, str] | None = None,
) -> Generator["subprocess.Popen[str]", None, None]:
    """Start `ours` or a peer; end it with the block.

    Args:
        name: of the server.
        port: to listen on; 0: a free one.
        core: that it gets for itself.
        settings: further variables of its environment.
    """
    with TemporaryDirectory() as folder:
        write_plugin(Path(folder))
        paths = [folder, str(ROOT / "src"), str(ROOT)]
        with pinned(set() if core is None else {core}):
            process = subprocess.Popen(  # noqa: S603 - our own words
                command(name, port),
                cwd=folder,
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": ":".join(paths),
                    "OPENBLAS_NUM_THREADS": "1",
                    "LOG_LEVEL": "warning",
                    "PYTHONUNBUFFERED": "1",
                    **(settings or {}),
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()


@contextmanager
def running(
    name: str, *, core: int | None = None, settings: Mapping[str, str] | None = None
) -> Generator[Measured, None, None]:
    """Run `ours` or a peer on a free port; the arguments are those of `started`."""
    with started(name, core=core, settings=settings) as process:
        yield Measured(name, process.pid, read_port(process))


@contextmanager
def pinned(cores: set[int]) -> Generator[None, None, None]:
    """Keep this process, and what is started within the block, on some cores; none: on any."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def other_cores() -> set[int]:
    """Return the cores that are left for the load; all of them where there is only one."""
    cores = os.sched_getaffinity(0)
    return cores - {SERVER_CORE} or cores


def read_port(process: "subprocess.Popen[str]") -> int:
    """Read the process's words until one is its address."""
    assert process.stdout
    said: list[str] = []
    for line in process.stdout:
        if match := ADDRESS.search(line):
            return int(match[1] or match[2])
        said.append(line)
    raise RuntimeError("the server under measurement did not start:\n" + "".join(said[-20:]))

"""Server processes under measurement: ours with the provider `counting`, and its peers."""

import os
import re
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
ADDRESS = re.compile(
    r"(?:listening on |running on \x1b?.*?http://)127\.0\.0\.1:(\d+)|http://127\.0\.0\.1:(\d+)"
)
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """A running server whose cost can be read at any time."""

    name: str
    pid: int
    port: int

    def cpu_s(self) -> float:
        """User and system time of the process so far, seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def resident_kib(self) -> int:
        """Resident memory of the process, KiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        match = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert match
        return int(match[1])


def write_plugin(folder: Path) -> None:
    """Make an installed package out of `bench.counting`, as anyone's provider would be."""
    info = folder / "sayna_bench-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sayna-bench\nVersion: 0\n")
    (info / "entry_points.txt").write_text(
        "[sayna.providers]\ncounting = bench.counting:open_provider\n"
    )


@contextmanager
def running(
    name: str, *, core: int | None, settings: Mapping[str, str] | None = None
) -> Generator[Measured, None, None]:
    """Run `ours` or a peer on a free port, on one core where the machine has two.

    Args:
        name: of the server.
        core: that it gets for itself.
        settings: further variables of its environment.
    """
    with TemporaryDirectory() as folder:
        write_plugin(Path(folder))
        ours = [sys.executable, "-m", "sayna", "serve", "--host", "127.0.0.1", "--port", "0"]
        peer = [sys.executable, "-m", "bench.peers", name]
        process = subprocess.Popen(  # noqa: S603 - our own words
            ours if name == "ours" else peer,
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{folder}:{ROOT}",
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
            if core is not None:
                os.sched_setaffinity(process.pid, {core})
            yield Measured(name, process.pid, read_port(process))
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()


def read_port(process: "subprocess.Popen[str]") -> int:
    """Read the process's words until one is its address."""
    assert process.stdout
    for line in process.stdout:
        if match := ADDRESS.search(line):
            return int(match[1] or match[2])
    raise RuntimeError("the server under measurement did not start")

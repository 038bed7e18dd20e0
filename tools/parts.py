"""Get the real programs that tests talk to: `make parts`.

A part that is already there is left alone. What cannot be installed here is named with its cure and
is not an error: the tests that need it skip with the same words, and fail when CI=true.

`--run engines ARGUMENTS` runs pytest in the environment of the part `engines`; `bench` gets what
`make bench` compares with, which nothing else needs.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PARTS_FOLDER = Path(".parts")
PROGRAMS = PARTS_FOLDER / "bin"
NEED_GO = "put Go 1.26 or newer into the PATH, then `make parts`"
PIP = ("-m", "pip", "install", "-q", "--disable-pip-version-check")


@dataclass(frozen=True)
class DebianPart:
    """A program from a Debian package."""

    program: str
    package: str
    used_for: str

    @property
    def present(self) -> bool:
        """Tell whether the program can be started."""
        return shutil.which(self.program) is not None

    @property
    def cure(self) -> str:
        """Say in one command how to get it."""
        return f"apt-get install {self.package}"


@dataclass(frozen=True)
class PythonPart:
    """An environment of its own for packages that are too large, or too copyleft, for .venv."""

    program: str
    lock: Path
    used_for: str
    cure: str = "make parts"
    """How to get it, in one command."""

    @property
    def folder(self) -> Path:
        """Where the environment is."""
        return PARTS_FOLDER / self.program

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def present(self) -> bool:
        """Tell whether it holds what the lock says."""
        stamp = self.folder / "lock"
        return stamp.exists() and stamp.read_text() == self._hash()

    def install(self) -> None:
        """Build it anew from the lock."""
        python = str(self.python)
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(self.folder)],
            [python, *PIP, "--require-hashes", "-r", str(self.lock)],
            [python, *PIP, "--no-deps", "--no-build-isolation", "-e", "."],
        ):
            subprocess.run(command, check=True)  # noqa: S603 - our own words
        (self.folder / "lock").write_text(self._hash())

    def _hash(self) -> str:
        return hashlib.sha256(self.lock.read_bytes()).hexdigest()


@dataclass(frozen=True)
class GoPart:
    """A program that is built from its Go module, once for each version."""

    program: str
    module: str
    """What `go install` takes, without the version."""
    version: str
    used_for: str
    minutes: int
    """Roughly, on two cores, the first time."""

    @property
    def path(self) -> Path:
        """Where the program is."""
        return PROGRAMS / self.program

    @property
    def present(self) -> bool:
        """Tell whether the program is there in this version."""
        stamp = self._stamp
        return self.path.exists() and stamp.exists() and stamp.read_text() == self.version

    @property
    def cure(self) -> str:
        """Say how to get it."""
        return "make parts" if shutil.which("go") else NEED_GO

    def install(self) -> None:
        """Build it in a folder of its own: some modules call their program `server`."""
        folder = PARTS_FOLDER / "building" / self.program
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        subprocess.run(  # noqa: S603 - our own words
            ["nice", "-n", "19", "go", "install", f"{self.module}@v{self.version}"],  # noqa: S607 - of the PATH
            check=True,
            env=os.environ | {"GOBIN": str(folder.absolute())},
        )
        PROGRAMS.mkdir(exist_ok=True)
        (built,) = folder.iterdir()
        built.replace(self.path)
        self._stamp.write_text(self.version)
        folder.rmdir()

    @property
    def _stamp(self) -> Path:
        return PROGRAMS / f"{self.program}.version"


ENGINES = PythonPart(
    "engines", Path("requirements/engines.txt"), "vosk, sherpa, whisper, piper and kokoro, for real"
)
BENCH = PythonPart(
    "bench", Path("requirements/bench.txt"), "Pipecat, measured beside Sayna", "make parts-bench"
)
DEBIAN = (DebianPart("chromium", "chromium", "opens /docs as a real browser does"),)
GO = (
    GoPart(
        "livekit-server",
        "github.com/livekit/livekit-server/cmd/server",
        "1.13.5",  # the newest that `go install` takes: later ones replace modules
        "holds rooms, for real",
        minutes=5,
    ),
)
PARTS = (*DEBIAN, ENGINES, *GO)


def install(parts: Sequence[DebianPart]) -> None:
    """Install packages with apt-get, as root and without questions."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    packages = [part.package for part in parts]
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
    ):
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words


def get() -> int:
    """Install what is missing where that is possible; report what is not."""
    missing = [part for part in DEBIAN if not part.present]
    try:
        if missing and shutil.which("apt-get") and os.geteuid() == 0:
            print(f"Installing {', '.join(part.package for part in missing)}")
            install(missing)
        if not ENGINES.present:
            print(f"Building {ENGINES.folder} (a minute the first time)")
            ENGINES.install()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"Could not install: {error}", file=sys.stderr)
    if shutil.which("go"):
        build_programs([part for part in GO if not part.present])
    for part in PARTS:
        if not part.present:
            print(f"missing: {part.program} ({part.used_for}); get it with: {part.cure}")
    return 0


def build_programs(parts: Sequence[GoPart]) -> None:
    """Build what can be built; one failure does not keep the others away."""
    for number, part in enumerate(parts, 1):
        known = f"{part.program} {part.version} from its Go module"
        print(
            f"[{number}/{len(parts)}] Building {known} (about {part.minutes} min, once)", flush=True
        )
        try:
            part.install()
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            print(f"Could not build {part.program}: {error}", file=sys.stderr)


def build(part: PythonPart) -> int:
    """Install one environment that somebody asked for; unlike `get`, to fail is an error."""
    if not part.present:
        print(f"Building {part.folder} (a minute the first time)")
        try:
            part.install()
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"Could not install: {error}", file=sys.stderr)
            return 1
    print(f"{part.folder} is there ({part.used_for})")
    return 0


def run(part: PythonPart, arguments: Sequence[str]) -> int:
    """Run pytest with a part's own packages; without the part it is a failure only in CI."""
    if not part.present:
        print(f"skipped: {part.program} ({part.used_for}) is missing; get it with: {part.cure}")
        return 1 if os.environ.get("CI") == "true" else 0
    return subprocess.run([str(part.python), "-m", "pytest", *arguments], check=False).returncode  # noqa: S603 - ours


def main(arguments: Sequence[str]) -> int:
    """Get the parts, or run one."""
    match arguments:
        case ["--run", ENGINES.program, *rest]:
            return run(ENGINES, rest)
        case [BENCH.program]:
            return build(BENCH)
        case []:
            return get()
        case _:
            print(__doc__)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

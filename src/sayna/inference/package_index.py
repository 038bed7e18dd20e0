"""Where a pinned wheel lies, asked of pip: the user's index, mirror, proxy and login settings hold.

Nothing is installed. This file knows no address.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sayna.errors import SaynaError
from sayna.inference.catalogue import Model

TIMEOUT_S = 180.0
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


class DownloadFailed(SaynaError):
    """A model could not be had; the text is one line that ends with the cure."""

    code = "DOWNLOAD_FAILED"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel as the index offers it."""

    url: str
    """`https:`, `http:` or `file:`."""
    sha256: str | None
    """As the index states it, if it does."""


class _Archive(msgspec.Struct, frozen=True):
    hashes: dict[str, str] = {}


class _Origin(msgspec.Struct, frozen=True):
    url: str
    archive_info: _Archive = _Archive()


class _Install(msgspec.Struct, frozen=True):
    download_info: _Origin


class _Report(msgspec.Struct, frozen=True):
    """The part of pip's installation report that says where a wheel lies."""

    install: list[_Install]


def run_quietly(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, at most `TIMEOUT_S`, and keep what it says."""
    return subprocess.run(  # noqa: S603 - our own arguments
        command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def find_wheel(model: Model, run: Run = run_quietly) -> Wheel:
    """Ask where the model's wheel lies.

    Raises:
        DownloadFailed: pip is missing, the index cannot be reached or lacks the version.
    """
    report = _run_pip(
        model, run,
        "install", "--dry-run", "--no-deps", "--ignore-installed", "--only-binary=:all:",
        "--quiet", "--report", "-", model.requirement,
    )  # fmt: skip
    try:
        origin = msgspec.json.decode(report, type=_Report).install[0].download_info
    except (msgspec.MsgspecError, IndexError) as error:
        raise DownloadFailed(
            f"pip did not say where {model.requirement} lies: upgrade it (pip 22.2 or newer)"
        ) from error
    return Wheel(origin.url, origin.archive_info.hashes.get("sha256"))


def download_wheel(model: Model, folder: Path, run: Run = run_quietly) -> Path:
    """Let pip itself fetch the wheel: it knows logins and certificates that we do not.

    Raises:
        DownloadFailed: it could not.
    """
    _run_pip(
        model, run,
        "download", "--no-deps", "--only-binary=:all:", "--quiet", "--dest", str(folder),
        model.requirement,
    )  # fmt: skip
    found = sorted(folder.glob("*.whl"))
    if not found:
        raise DownloadFailed(f"pip fetched no wheel of {model.requirement}: try again")
    return found[0]


def _run_pip(model: Model, run: Run, *arguments: str) -> str:
    try:
        done = run([*PIP, *arguments])
    except subprocess.TimeoutExpired as error:
        raise DownloadFailed(
            f"the package index did not answer within {TIMEOUT_S:g} s: check the network"
        ) from error
    except OSError as error:
        raise DownloadFailed("pip cannot be started: reinstall Python's pip") from error
    if done.returncode:
        raise DownloadFailed(_cure(model, done.stderr))
    return done.stdout


def _cure(model: Model, said: str) -> str:
    """Turn pip's complaint into one line of ours; its own words may hold an index's login."""
    if "No module named pip" in said:
        return "pip is not part of this environment: run `python -m ensurepip` and try again"
    trouble = (
        "Connection",
        "connection",
        "Retrying",
        "timed out",
        "resolve",
        "SSLError",
        "Max retries",
    )
    if any(word in said for word in trouble):
        return "the package index cannot be reached: check the network, proxy and pip's index-url"
    if "No matching distribution" in said:
        return (
            f"the package index has no wheel of {model.requirement}: "
            "point pip's index-url at one that has"
        )
    return f"pip cannot find {model.requirement}: see `pip download --no-deps {model.requirement}`"

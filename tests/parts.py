"""Real programs that tests talk to: a missing one skips its tests here and fails them in CI."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from tools.parts import GO, GoPart

ROOT = Path(__file__).parents[1]


def need(program: str) -> str:
    """Return where the program is."""
    built = next((part for part in GO if part.program == program), None)
    path = shutil.which(program) if built is None else _built(built)
    if path is None:
        cure = "make parts" if built is None else built.cure
        message = f"{program} is missing; get it with: {cure}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


def _built(part: GoPart) -> str | None:
    """Return where a program of `.parts/bin` is, wherever the tests were started."""
    with contextlib.chdir(ROOT):
        return str(part.path.absolute()) if part.present else None

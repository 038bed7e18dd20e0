"""Real programs that tests talk to: a missing one skips its tests here and fails them in CI."""

import os
import shutil

import pytest


def need(program: str) -> str:
    """Return where the program is."""
    path = shutil.which(program)
    if path is None:
        message = f"{program} is missing; `make parts` gets it"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path

"""Run a command as a user would, beside a server that lives on the test's event loop."""

import asyncio
from collections.abc import Mapping

from click.testing import CliRunner, Result

from sayna.cli import main

ALONE: Mapping[str, str | None] = {"SAYNA_API_KEY": None, "SAYNA_URL": None}
"""The environment of a user who has set nothing."""


def run(*arguments: str, env: Mapping[str, str | None] | None = None) -> Result:
    """Run `sayna` with these arguments."""
    return CliRunner().invoke(main, arguments, env={**ALONE, **(env or {})})


async def run_beside(*arguments: str, env: Mapping[str, str | None] | None = None) -> Result:
    """Run `sayna` in a thread, so that servers of this event loop can answer it."""
    return await asyncio.to_thread(run, *arguments, env=env)

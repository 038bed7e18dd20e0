"""A server of our own for `sayna doctor`: the real command in a process of its own."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

START_S = 30.0
STOP_S = 15.0
KEPT_LINES = 20
"""So many of the last lines of its stderr are kept, to tell why it did not start."""
LISTENING = "Server listening on "


class OwnServerFailed(Exception):
    """It did not start; the text is what it said last."""


@asynccontextmanager
async def open_own_server(config: Path | None) -> AsyncGenerator[str, None]:
    """Start `sayna serve` with this process's settings on a free loopback port; yield its URL.

    The server stops with the block: first asked, after 15 s made to.

    Raises:
        OwnServerFailed: it ended or did not listen within 30 s.
    """
    arguments = ["--host", "127.0.0.1", "--port", "0", "--log-level", "warning"]
    if config is not None:
        arguments += ["-c", str(config)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sayna", "serve", *arguments, stdout=PIPE, stderr=PIPE
    )
    said: deque[str] = deque(maxlen=KEPT_LINES)
    async with asyncio.TaskGroup() as tasks:
        try:
            hearing = tasks.create_task(_keep_lines(process.stderr, said), name="doctor-stderr")
            address = await _address(process)
            if address is None:
                await hearing  # its last words may still be on their way
                raise OwnServerFailed(
                    "; ".join(said) or f"it ended with status {process.returncode}"
                )
            tasks.create_task(_keep_lines(process.stdout, deque(maxlen=1)), name="doctor-stdout")
            yield f"http://{address}"
        finally:
            await _stop(process)


async def _address(process: Process) -> str | None:
    """Read the server's stdout up to the line that says where it listens; None: it ended."""
    stdout = process.stdout
    try:
        async with asyncio.timeout(START_S):
            while stdout is not None and (line := await stdout.readline()):
                text = line.decode(errors="replace").strip()
                if text.startswith(LISTENING):
                    return text.removeprefix(LISTENING)
            await process.wait()
    except TimeoutError:
        raise OwnServerFailed(f"it does not listen after {START_S:.0f} s") from None
    return None


async def _keep_lines(stream: asyncio.StreamReader | None, kept: deque[str]) -> None:
    """Read a pipe until it ends, so that the server never waits for us."""
    while stream is not None and (line := await stream.readline()):
        kept.append(line.decode(errors="replace").rstrip())


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()

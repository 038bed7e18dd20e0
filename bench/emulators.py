"""What the emulated Deepgram costs: N streams of 50 frames a second, CPU of its own process.

    python -m bench.emulators --sessions 200

Each stream hears a scripted line over and over, so results come back all the time.
"""

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlencode

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from typing_extensions import override

from bench.servers import ROOT, Measured

FRAME = bytes(640)
FRAME_S = 0.02
BATCHES = 4
"""Parts of the streams that send together, so that the load is not one burst."""
LISTEN = urlencode({
    "model": "nova-3", "encoding": "linear16", "sample_rate": 16000, "interim_results": "true",
    "endpointing": 300,
})  # fmt: skip


class _Counter(WSListener):
    """Counts what comes back."""

    results = 0

    @override
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Count a frame; called by picows."""
        del transport, frame
        _Counter.results += 1


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.emulators", description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    chosen = parser.parse_args()
    with _emulator() as emulator:
        share = asyncio.run(_load(emulator, chosen.sessions, chosen.seconds))
    per_frame_us = share * FRAME_S / chosen.sessions * 1e6
    print(
        f"{chosen.sessions} sessions: {share:.1%} of a core, {per_frame_us:.1f} us a frame,"
        f" {_Counter.results} results, {emulator.name}"
    )
    return 0


@contextmanager
def _emulator() -> Generator[Measured, None, None]:
    lines = ["--say", "one two three four five six seven eight nine ten"] * 20
    command = [sys.executable, "-m", "tests.emulators", "--port", "0", "--concurrency", "10000"]
    with subprocess.Popen(  # noqa: S603 - our own command
        command + lines, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            url = [process.stdout.readline() for _ in range(3)][-1]
            port = int(url.strip().rpartition(":")[2])
            yield Measured("deepgram", process.pid, port)
        finally:
            process.terminate()


async def _load(emulator: Measured, sessions: int, seconds: float) -> float:
    """Send audio in real time; return the emulator's share of a core."""
    url = f"ws://127.0.0.1:{emulator.port}/v1/listen?{LISTEN}"
    headers = {"Authorization": "Token test-key"}
    sockets = [(await ws_connect(_Counter, url, extra_headers=headers))[0] for _ in range(sessions)]
    began_s, cpu_s = time.monotonic(), emulator.cpu_s()
    for tick in range(round(seconds / FRAME_S * BATCHES)):
        for socket in sockets[tick % BATCHES :: BATCHES]:
            socket.send(WSMsgType.BINARY, FRAME)
        due_s = began_s + (tick + 1) * FRAME_S / BATCHES
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
    share = (emulator.cpu_s() - cpu_s) / (time.monotonic() - began_s)
    for socket in sockets:
        socket.disconnect()
    return share


if __name__ == "__main__":
    sys.exit(main())

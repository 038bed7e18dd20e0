"""Serve every emulator on 127.0.0.1, to try Sayna by hand without a key or a network.

Prints the environment that points Sayna at them; Ctrl-C ends it.
"""

import argparse
import asyncio
import math
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from tests.emulators.deepgram import CONCURRENCY, KEY, open_deepgram
from tests.emulators.pacing import Pace
from tests.emulators.speech import Hum, Song, Voice

FIRST_PORT = 4100
VOICES: Mapping[str, Callable[[], Voice]] = {"song": Song, "hum": Hum}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until interrupted."""
    try:
        asyncio.run(serve(parse_arguments(arguments)))
    except OSError as error:
        sys.stderr.write(f"cannot listen: {error.strerror}\n")
        return 1
    return 0


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.emulators",
        description="Serve the emulated vendors on 127.0.0.1 and print the environment for Sayna.",
        epilog="Each has a control API: POST /_ctl/rules, GET /_ctl/log, POST /_ctl/reset, "
        "GET /_ctl/stats.",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=FIRST_PORT,
        help="of the first vendor; the others follow (default %(default)s; 0: any free ones)",
    )
    parser.add_argument(
        "--voice",
        choices=sorted(VOICES),
        default="song",
        help="song: the voice of tones, which the emulators understand word for word; "
        "hum: a steady tone (default %(default)s)",
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=2.0,
        help="how many times faster than real time audio is given out; 0: at once "
        "(default %(default)s)",
    )
    parser.add_argument(
        "--say", action="append", default=[], help="what every stream hears, whatever its audio"
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        help="streams or requests of a kind at a time (default: the vendor's own limits)",
    )
    return parser.parse_args(arguments)


async def serve(chosen: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving(chosen) as environment:
        for name, value in environment.items():
            sys.stdout.write(f"export {name}={value}\n")
        sys.stdout.flush()
        await stop.wait()


@asynccontextmanager
async def serving(chosen: argparse.Namespace) -> AsyncGenerator[Mapping[str, str], None]:
    """Serve every vendor; the block gets the environment that points Sayna at them."""
    pace = Pace(speed=chosen.speed or math.inf)
    most: int | None = chosen.concurrency
    limits = None if most is None else dict.fromkeys(CONCURRENCY, most)
    async with AsyncExitStack() as stack:
        deepgram = await stack.enter_async_context(
            open_deepgram(
                port=chosen.port,
                voice=VOICES[chosen.voice](),
                pace=pace,
                concurrency=limits,
                keep_audio=False,
            )
        )
        if chosen.say:
            deepgram.script(*chosen.say, always=True)
        yield {
            "DEEPGRAM_API_KEY": KEY,
            "DEEPGRAM_BASE_URL": deepgram.http_url,
            "DEEPGRAM_WS_URL": deepgram.ws_url,
        }


if __name__ == "__main__":
    sys.exit(main())

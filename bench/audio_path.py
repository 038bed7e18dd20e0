"""What each hop of a frame takes, from the socket's message to the recognizer and back as a result.

In process, without a network. Each hop is entered by itself with everything real below it, so what
a hop takes is the difference to the one below. Bytes are those held at most while one frame passes;
blocks are those still held afterwards, over many frames: 0 unless something grows.
"""

import argparse
import asyncio
import gc
import logging
import statistics
import sys
import time
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict, cast

import structlog
import uvloop
from picows import WSFrame, WSTransport

from bench.counting import CountingProvider, CountingRecognizer
from bench.exchange import FRAME, FRAMES_PER_RESULT, config
from bench.stand_ins import HEARD, Frame, Providers, Socket, TellingProvider, Told
from sayna.api.event_messages import render_event
from sayna.api.messages import Config, parse_command
from sayna.api.ws import Connection
from sayna.api.ws_transport import WebSocketTransport
from sayna.session.clock import LoopClock
from sayna.session.events import Outlet
from sayna.session.opening import Media, SessionRequest, open_media
from sayna.session.revival import RevivingRecognizer, open_reviving
from sayna.session.session import open_session
from sayna.settings.tree import SessionLimits, Settings
from sayna.speech.options import RecognizerOptions
from sayna.speech.protocols import Recognizer

FRAMES = 100_000
ROUNDS = 5
FRAMES_PER_TURN = 200
"""Frames before the results that they led to are waited for."""

WARM_FRAMES = 1000
"""More than the two seconds of audio that a session keeps."""

OPTIONS = RecognizerOptions("counting", sample_rate=16_000)

BACK = (
    "providers: recognizer.events",
    "session/revival: events",
    "session/listening: follow",
    "api/ws_transport: tell, rendered",
)
"""The way of a result, from the first to the last."""

TakeFrame = Callable[[], None]


class Hop(TypedDict):
    """One hop; `own` is without those below it."""

    hop: str
    total_us: float
    own_us: float
    total_bytes: int
    own_bytes: int
    kept_blocks_per_1000: float


class Back(TypedDict):
    """One step of the way back; `own` is without those before it."""

    step: str
    total_us: float
    own_us: float


@asynccontextmanager
async def at_recognizer() -> AsyncGenerator[TakeFrame, None]:
    """Enter at the provider's recognizer, whose events are read."""
    recognizer = CountingRecognizer()
    async with reading(recognizer):
        yield lambda: recognizer.send_audio(bytes(FRAME))


@asynccontextmanager
async def at_revival() -> AsyncGenerator[TakeFrame, None]:
    """Enter at what keeps a recognizer alive."""
    async with opened_reviving(CountingProvider()) as recognizer, reading(recognizer):
        yield lambda: recognizer.send_audio(bytes(FRAME))


@asynccontextmanager
async def at_listening() -> AsyncGenerator[TakeFrame, None]:
    """Enter at the ears of a session."""
    async with opened_media(Told(), Providers()) as media:
        yield lambda: media.listening.hear(bytes(FRAME))


@asynccontextmanager
async def at_session() -> AsyncGenerator[TakeFrame, None]:
    """Enter at the session."""
    async with open_session(
        outlet=Told(), providers=Providers(), settings=Settings(), clock=LoopClock()
    ) as session:
        await session.configure(request())
        yield lambda: session.hear(bytes(FRAME))


@asynccontextmanager
async def at_connection() -> AsyncGenerator[TakeFrame, None]:
    """Enter at the reader of one connection."""
    async with opened_connection() as (connection, _):
        yield lambda: connection.take_audio(bytes(FRAME))


@asynccontextmanager
async def at_transport() -> AsyncGenerator[TakeFrame, None]:
    """Enter where picows hands over a message."""
    async with opened_connection() as (_, transport):
        socket, frame = cast("WSTransport", Socket()), cast("WSFrame", Frame())
        yield lambda: transport.on_ws_frame(socket, frame)


def request() -> SessionRequest:
    """Return what the callers of `bench.load` ask for."""
    command = parse_command(config().decode())
    assert isinstance(command, Config)
    return command.to_request()


@asynccontextmanager
async def opened_media(outlet: Outlet, providers: Providers) -> AsyncGenerator[Media, None]:
    """Open ears and voice as a session does."""
    asked = request()
    assert asked.stt
    assert asked.tts
    async with open_media(
        asked.stt,
        asked.tts,
        outlet=outlet,
        providers=providers,
        settings=Settings(),
        clock=LoopClock(),
    ) as media:
        yield media


@asynccontextmanager
async def opened_reviving(
    provider: CountingProvider | TellingProvider,
) -> AsyncGenerator[RevivingRecognizer, None]:
    """Open a recognizer as a session does."""
    async with open_reviving(
        lambda: provider.open_recognizer(OPTIONS), OPTIONS, LoopClock()
    ) as recognizer:
        yield recognizer


@asynccontextmanager
async def opened_connection() -> AsyncGenerator[tuple[Connection, WebSocketTransport], None]:
    """Open a connection whose session is ready."""
    clock, socket = LoopClock(), Socket()
    transport = WebSocketTransport(SessionLimits(), clock)
    connection = Connection(transport, providers=Providers(), settings=Settings(), clock=clock)
    transport.on_ws_connected(cast("WSTransport", socket))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(connection.run())
        connection.take_text(config().decode())
        async with asyncio.timeout(5):
            await socket.told.wait()  # that it is ready
        yield connection, transport
        running.cancel()
    transport.on_ws_disconnected(cast("WSTransport", socket))


@asynccontextmanager
async def reading(
    recognizer: CountingRecognizer | RevivingRecognizer,
) -> AsyncGenerator[None, None]:
    """Read a recognizer's events, so that none pile up."""

    async def read() -> None:
        async for _ in recognizer.events():
            pass

    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(read())
        yield
        following.cancel()


HOPS = {
    "providers: recognizer.send_audio": at_recognizer,
    "session/revival: keep for a replay": at_revival,
    "session/listening: hear": at_listening,
    "session/session: hear": at_session,
    "api/ws: take_audio": at_connection,
    "api/ws_transport: on_ws_frame": at_transport,
}
"""From the last to the first. Results, one in fifty, are part of each."""


async def pass_frames(take: TakeFrame, frames: int) -> float:
    """Let frames pass; return the microseconds for each, results included."""
    began = time.perf_counter()
    for _ in range(frames // FRAMES_PER_TURN):
        for _ in range(FRAMES_PER_TURN):
            take()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return (time.perf_counter() - began) / frames * 1e6


async def weigh(take: TakeFrame) -> tuple[int, float]:
    """Return the bytes held at most while a frame passes, and the blocks that 1000 leave."""
    tracemalloc.start()
    peaks: list[int] = []
    for _ in range(1, FRAMES_PER_RESULT):  # up to the last before a result
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        take()
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    take()
    await pass_frames(take, WARM_FRAMES)
    gc.collect()
    blocks = sys.getallocatedblocks()
    await pass_frames(take, WARM_FRAMES)
    gc.collect()
    kept = sys.getallocatedblocks() - blocks
    return round(statistics.median(peaks)), kept


async def measure_hops(frames: int) -> list[Hop]:
    """Enter the way at each hop in turn, the last one first."""
    hops: list[Hop] = []
    below_us, below_bytes = 0.0, 0
    for name, enter in HOPS.items():
        async with enter() as take:
            await pass_frames(take, WARM_FRAMES)
            total_us = min([await pass_frames(take, frames // ROUNDS) for _ in range(ROUNDS)])
            total_bytes, kept = await weigh(take)
        hops.append(
            Hop(
                hop=name,
                total_us=round(total_us, 3),
                own_us=round(total_us - below_us, 3),
                total_bytes=total_bytes,
                own_bytes=total_bytes - below_bytes,
                kept_blocks_per_1000=round(kept, 1),
            )
        )
        below_us, below_bytes = total_us, total_bytes
    hops.reverse()
    for hop in hops:
        print(
            f"  {hop['hop']:36} {hop['own_us']:6.3f} us (of {hop['total_us']:6.3f}),"
            f" {hop['own_bytes']:5} bytes, {hop['kept_blocks_per_1000']} blocks kept of 1000 frames"
        )
    return hops


async def time_back(count: int, step: str) -> float:
    """Let results pass from a recognizer to one step of the way back; return us for each."""
    provider = TellingProvider(count)
    socket, transport = Socket(), WebSocketTransport(SessionLimits(), LoopClock())
    transport.on_ws_connected(cast("WSTransport", socket))
    async with AsyncExitStack() as stack:
        if step in BACK[:2]:
            recognizer: Recognizer = provider.recognizer
            if step == BACK[1]:
                recognizer = await stack.enter_async_context(opened_reviving(provider))
            passing: Awaitable[object] = exhaust(recognizer)
        else:
            outlet: Told | WebSocketTransport = Told() if step == BACK[2] else transport
            await stack.enter_async_context(opened_media(outlet, Providers(provider)))
            passing = provider.recognizer.told.wait()
        began = time.perf_counter()
        provider.recognizer.begin.set()
        async with asyncio.timeout(60):
            await passing
        spent_s = time.perf_counter() - began
    transport.on_ws_disconnected(cast("WSTransport", socket))
    return spent_s / count * 1e6


async def exhaust(recognizer: Recognizer) -> None:
    """Read all that a recognizer has to tell."""
    recognizer.finish()  # so that the end of the results is no death
    async for _ in recognizer.events():
        pass


async def measure_back(count: int) -> list[Back]:
    """Enter the way back at each step in turn, the first one first."""
    steps: list[Back] = []
    before_us = 0.0
    for step in BACK:
        total_us = min([await time_back(count, step) for _ in range(ROUNDS)])
        steps.append(
            Back(step=step, total_us=round(total_us, 3), own_us=round(total_us - before_us, 3))
        )
        before_us = total_us
        print(f"  {step:36} {steps[-1]['own_us']:6.3f} us (of {total_us:6.3f})")
    began = time.perf_counter()
    for _ in range(count):
        render_event(HEARD)
    rendering_us = (time.perf_counter() - began) / count * 1e6
    print(f"  of which the rendering takes {rendering_us:.3f} us")
    return steps


class Figures(TypedDict):
    """All of it."""

    frame_bytes: int
    a_frame: list[Hop]
    a_result: list[Back]


async def measure(frames: int) -> Figures:
    """Measure the way in, then the way back."""
    hops = await measure_hops(frames)
    back = await measure_back(frames // 10)
    return Figures(frame_bytes=len(FRAME), a_frame=hops, a_result=back)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--frames", type=int, default=FRAMES, help="through each hop (100000)")


def run(chosen: argparse.Namespace) -> Figures:
    """Measure, and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    return uvloop.run(measure(chosen.frames))

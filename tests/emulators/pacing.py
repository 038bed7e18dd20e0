"""Audio in chunks, as fast as the vendor would make it."""

import math
import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from sayna.session.clock import Clock
from tests.emulators.clock import sleep
from tests.emulators.rules import Chunk, FirstByte, Plan, Speed


@dataclass(frozen=True, slots=True)
class Pace:
    """How audio is given out when no rule says otherwise."""

    speed: float = 2.0
    """Times real time; `math.inf` is at once."""
    chunk_ms: float = 100.0
    first_byte_ms: float = 0.0


async def paced(
    audio: bytes, bytes_per_s: float, plan: Plan, pace: Pace, clock: Clock, dice: random.Random
) -> AsyncGenerator[bytes, None]:
    """Yield the audio in chunks, each when it is due."""
    first = plan.of(FirstByte)
    await sleep(clock, (first.ms if first is not None else pace.first_byte_ms) / 1000)
    chunk = plan.of(Chunk) or Chunk()
    size = _chunk_bytes(chunk, pace, bytes_per_s)
    speed = plan.of(Speed)
    times = pace.speed if speed is None else (speed.x or math.inf)
    due_s = clock.now()
    for start in range(0, len(audio), size):
        await sleep(clock, due_s - clock.now())
        yield audio[start : start + size]
        gap_s = size / bytes_per_s / times if chunk.gap_ms is None else chunk.gap_ms / 1000
        due_s += max(0.0, gap_s + dice.uniform(-1, 1) * chunk.jitter_ms / 1000)


def _chunk_bytes(chunk: Chunk, pace: Pace, bytes_per_s: float) -> int:
    size = chunk.bytes or max(2, int(bytes_per_s * pace.chunk_ms / 1000) // 2 * 2)
    return size | 1 if chunk.odd else size

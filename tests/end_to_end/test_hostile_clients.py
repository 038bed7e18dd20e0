"""A hundred thousand hostile frames and two thousand hostile handshakes against a real server.

Every one comes from a seed. When one goes wrong, the failure names the seed and the number of the
connection: `_play(port, number)` is that connection again.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.api.raw_socket import CLOSE, TEXT, render_frame
from tests.end_to_end.crowd import ANSWER_LIMIT_S, Client, connected, each, fence
from tests.end_to_end.hostile import (
    ENDS,
    MAX_MESSAGE_BYTES,
    NUISANCES,
    OPENINGS,
    SECRET,
    VIOLATIONS,
    Move,
    half_frame,
    handshake,
)
from tests.end_to_end.inspected import InspectedServer, inspected_server

pytestmark = pytest.mark.slow

SEED = "frames 1"
FRAMES = 100_000
FRAMES_EACH = 50
HANDSHAKE_SEED = "handshakes 1"
HANDSHAKES = 2_000
WARM_UP = 200
AT_ONCE = 32
EXITS = ("close", "reset", "leave", "half and reset", "half and leave")
OBJECTS_TOLERANCE = 500
"""Objects more at the end: a quarter of what one forgotten object for each connection makes."""
RSS_TOLERANCE_KIB = 32 * 1024
"""Memory more at the end. Speech that hostile texts ask for is remembered: several texts of 2 MB,
and allocators keep what large messages took. One session forgotten by each connection would hold
five times it."""


async def test_a_hundred_thousand_hostile_frames_leave_nothing_behind(tmp_path: Path) -> None:
    settings = {"SESSION_MAX_MESSAGE_BYTES": str(MAX_MESSAGE_BYTES), "LOG_LEVEL": "warning"}
    with inspected_server(tmp_path, settings) as server:
        await _storm(server, FRAMES // FRAMES_EACH, lambda number: _play(server.port, number), SEED)


async def test_two_thousand_hostile_handshakes_leave_nothing_behind(tmp_path: Path) -> None:
    secrets = json.dumps([{"id": "tenant", "secret": SECRET}])
    settings = {"AUTH_REQUIRED": "true", "AUTH_API_SECRETS_JSON": secrets, "LOG_LEVEL": "warning"}
    with inspected_server(tmp_path, settings) as server:
        await _storm(server, HANDSHAKES, lambda number: _knock(server.port, number), HANDSHAKE_SEED)


async def _storm(
    server: InspectedServer, count: int, visit: Callable[[int], Awaitable[None]], seed: str
) -> None:
    """Visit so often; afterwards the server holds what it held before, and answers."""
    empty = await server.open_everything()
    await each(range(count, count + WARM_UP), AT_ONCE, visit, seed)
    before = await server.settle(empty)
    await each(range(count), AT_ONCE, visit, seed)
    after = await server.settle(empty)
    print(f"\nbefore: {before}\nafter:  {after}")  # noqa: T201 - the figures of this run
    assert after.objects - before.objects <= OBJECTS_TOLERANCE
    assert after.rss_kib - before.rss_kib <= RSS_TOLERANCE_KIB
    assert await server.get("/") == 200
    server.check_log()


async def _play(port: int, number: int) -> None:
    """Be one hostile client and hold each answer to what the protocol says."""
    chance = random.Random(f"{SEED}-{number}")  # noqa: S311 - the same every time
    opening = chance.choice(OPENINGS)
    moves = [chance.choice(NUISANCES)(chance) for _ in range(FRAMES_EACH - 1)]
    if opening is not None:
        moves.insert(0, Move(render_frame(TEXT, json.dumps(opening).encode())))
    end = _end(chance) if chance.random() < 0.6 else None
    async with connected(port) as client, asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(_write(client, chance, moves, end))
        if end is None or end.codes is None:
            await client.wait_fence("end")
            await writing
            await _leave(client, chance)
        else:
            code = await client.wait_end()
            assert code in end.codes, f"closed with {code}, not {set(end.codes)}"
            await writing


def _end(chance: random.Random) -> Move:
    """Return what ends a connection, perhaps with garbage behind it."""
    end = chance.choice(ENDS)(chance)
    if end.codes is None or chance.random() < 0.5:
        return end
    return Move(end.data + chance.randbytes(300), end.codes | VIOLATIONS)


async def _write(
    client: Client, chance: random.Random, moves: list[Move], end: Move | None
) -> None:
    """Send everything, cut anywhere."""
    data = b"".join(move.data for move in moves) + (fence("end") if end is None else end.data)
    cuts = sorted(chance.randrange(len(data)) for _ in range(chance.choice((0, 3, 30))))
    with suppress(ConnectionError):
        for begin, until in zip([0, *cuts], [*cuts, len(data)], strict=True):
            client.send(data[begin:until])
            await client.writer.drain()
            await asyncio.sleep(0)


async def _leave(client: Client, chance: random.Random) -> None:
    how = chance.choice(EXITS)
    if "half" in how:
        client.send(half_frame(chance))
    if how == "close":
        client.send(render_frame(CLOSE, b"\x03\xe8"))
        assert await client.wait_end() == 1000
    elif "reset" in how:
        client.reset()
    else:
        client.writer.write_eof()
        assert await client.wait_end() is None


async def _knock(port: int, number: int) -> None:
    """Be one hostile newcomer and hold the answer to what HTTP says."""
    chance = random.Random(f"{HANDSHAKE_SEED}-{number}")  # noqa: S311 - the same every time
    request = handshake(chance)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        with suppress(ConnectionError):
            for begin in range(0, len(request.data), step := chance.choice((7, 200, 10**6))):
                writer.write(request.data[begin : begin + step])
                await writer.drain()
            if request.then == "read":
                with suppress(OSError):  # it may have been refused already
                    writer.write_eof()
                async with asyncio.timeout(ANSWER_LIMIT_S):
                    answer = await reader.read()
                _check_answer(answer, request.statuses)
            elif request.then == "reset":
                Client(reader, writer).reset()
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


def _check_answer(answer: bytes, statuses: frozenset[int] | None) -> None:
    if not answer and statuses is None:
        return  # half a request, and then the end
    version, status, _ = answer.partition(b"\r\n")[0].split(b" ", 2)
    assert version in {b"HTTP/1.1", b"HTTP/1.0"}
    assert int(status) < 500, answer
    assert statuses is None or int(status) in statuses, answer

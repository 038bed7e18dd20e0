"""A thousand sessions that end in every way there is, against one server process.

After each hundred the process holds the same tasks, descriptors and children as before the first
one. A client that does not read is cut off by `session.unread_timeout_s`, which is short here.
"""

import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.api.raw_socket import BINARY, CLOSE, CONTINUATION, render_frame
from tests.end_to_end.crowd import ANSWER_LIMIT_S, Client, connected, each, fence
from tests.end_to_end.hostile import CONFIG, MAX_MESSAGE_BYTES, STT, TTS
from tests.end_to_end.inspected import Census, inspected_server
from tests.fakes.session import until

pytestmark = pytest.mark.slow

BATCHES, WARM_UPS, BATCH = 10, 2, 100
OBJECTS_TOLERANCE = 500
"""Objects more at the end: half of what one forgotten object in each session would leave."""
RSS_TOLERANCE_KIB = 8 * 1024
"""Memory more at the end, for what allocators keep in reserve: 8 KiB a session, a tenth of what a
forgotten one would hold."""

SPOKEN = "one two three four"
LONG = " ".join(f"word{number}" for number in range(40))
AUDIO = render_frame(BINARY, bytes(320))
IMPATIENT = {
    "SESSION_UNREAD_TIMEOUT_S": "0.5",
    "SESSION_MAX_MESSAGE_BYTES": str(MAX_MESSAGE_BYTES),
}


async def test_a_thousand_sessions_ended_in_every_way_leave_nothing_behind(tmp_path: Path) -> None:
    with inspected_server(tmp_path, IMPATIENT) as server:
        empty = await server.open_everything()
        seen: list[Census] = []
        for _ in range(WARM_UPS + BATCHES):
            await each(range(BATCH), BATCH, lambda number: _live(server.port, number), "none")
            seen.append(await server.settle(empty))
        print(f"\nempty: {empty}", *seen, sep="\n")  # noqa: T201 - the figures of this run
        deaf = sum(_way(number) is _never_read for number in range(BATCH)) * len(seen)
        assert server.log.count("client_unread") == deaf
        first, last = seen[WARM_UPS - 1], seen[-1]
        assert last.objects - first.objects <= OBJECTS_TOLERANCE
        assert last.rss_kib - first.rss_kib <= RSS_TOLERANCE_KIB


async def _live(port: int, number: int) -> None:
    """Be one of the sessions."""
    way = _way(number)
    small = 4096 if way is _never_read else None
    async with connected(port, receive_buffer=small) as client:
        await way(client)


def _way(number: int) -> Callable[[Client], Awaitable[None]]:
    return WAYS[number % len(WAYS)]


async def _configure(client: Client) -> None:
    client.say(**CONFIG)
    assert (await client.event())["type"] == "ready"


async def _close(client: Client, code: int = 1000) -> None:
    client.send(render_frame(CLOSE, struct.pack("!H", code)))
    assert await client.wait_end() == code


async def _converse(client: Client) -> None:
    """Speak, be heard, say goodbye."""
    await _configure(client)
    client.say(type="speak", text=SPOKEN)
    sung: list[bytes] = []
    while (got := await client.frame()) is not None and got.opcode == BINARY:
        sung.append(got.payload)
    for piece in sung:
        client.send(render_frame(BINARY, piece))
    client.send(AUDIO * 60)  # 1.2 s: the speech is over
    while not (told := await client.event()).get("is_speech_final"):
        assert told["transcript"] in SPOKEN
    await _close(client)


async def _vanish_in_mid_speech(client: Client) -> None:
    await _configure(client)
    client.say(type="speak", text=LONG)
    got = await client.frame()
    assert got is not None
    assert got.opcode == BINARY
    client.reset()


async def _break_the_protocol(client: Client) -> None:
    await _configure(client)
    client.say(type="speak", text=SPOKEN)
    client.send(render_frame(CONTINUATION, b"x"))
    assert await client.wait_end() == 1002


async def _send_too_much(client: Client) -> None:
    await _configure(client)
    client.send(render_frame(BINARY, bytes(MAX_MESSAGE_BYTES + 1)))
    assert await client.wait_end() == 1009


async def _fail_to_configure(client: Client) -> None:
    for tts in ({"sample_rate": 0}, {"voice_id": "nobody"}, {"provider": "none"}):
        client.say(type="config", stt_config=STT, tts_config={**TTS, **tts})
        assert (await client.event())["type"] == "error"
    client.writer.write_eof()
    assert await client.wait_end() is None


async def _never_configure(client: Client) -> None:
    client.send(AUDIO * 3)
    client.say(type="speak", text=SPOKEN)
    client.say(type="clear")
    client.send(fence("here"))
    await client.wait_fence("here")
    await _close(client, 1001)


async def _vanish_during_the_config(client: Client) -> None:
    client.say(**CONFIG)
    client.send(AUDIO)
    client.reset()


async def _vanish_while_audio_flows(client: Client) -> None:
    await _configure(client)
    client.send(AUDIO * 50)
    client.send(AUDIO[:100])
    client.reset()


async def _close_with_a_full_queue(client: Client) -> None:
    await _configure(client)
    for number in range(30):
        client.say(type="speak", text=LONG, allow_interruption=number % 2 == 0)
    await _close(client, 3000)


async def _never_read(client: Client) -> None:
    """Ask for more than fits into any buffer, read nothing and go on sending."""
    await _configure(client)
    for _ in range(3):
        client.say(type="speak", text=LONG)

    def is_lost() -> bool:
        client.send(AUDIO)
        return client.writer.transport.is_closing()

    await until(is_lost, ANSWER_LIMIT_S)  # as long as every other client here waits


async def _leave_a_stalled_engine(client: Client) -> None:
    client.say(type="config", stt_config=STT, tts_config={**TTS, "model": "stall@1w"})
    assert (await client.event())["type"] == "ready"
    client.say(type="speak", text=SPOKEN)
    got = await client.frame()
    assert got is not None
    assert got.opcode == BINARY
    client.writer.write_eof()
    assert await client.wait_end() is None


async def _see_both_engines_fail(client: Client) -> None:
    failing = {"stt_config": {**STT, "model": "reset@10ms"}, "tts_config": {**TTS, "model": "drop"}}
    client.say(type="config", **failing)
    assert (await client.event())["type"] == "ready"
    client.send(AUDIO * 5)
    assert (await client.event())["type"] == "error"
    client.say(type="speak", text=SPOKEN)
    while "TTS error" not in (await client.event()).get("message", ""):
        pass
    await _close(client)


WAYS: tuple[Callable[[Client], Awaitable[None]], ...] = (
    _converse,
    _vanish_in_mid_speech,
    _break_the_protocol,
    _send_too_much,
    _fail_to_configure,
    _never_configure,
    _vanish_during_the_config,
    _vanish_while_audio_flows,
    _close_with_a_full_queue,
    _never_read,
    _leave_a_stalled_engine,
    _see_both_engines_fail,
)

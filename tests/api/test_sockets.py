"""The contract with picows' and uvicorn's unpromised sides; see `sayna.api.sockets`."""

import asyncio
import json
import socket as sockets

import aiohttp
import pytest
from fastapi import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from sayna.settings.tree import Settings
from tests.api.raw_socket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    UPGRADE,
    RawSocket,
    ask,
    open_raw,
    render_frame,
)
from tests.api.served import CONFIG_TEXT, serve
from tests.fakes.session import settle, until

pytestmark = pytest.mark.slow
MIB = 2**20
FENCE = render_frame(TEXT, b'{"type":"send_message","message":"fence","role":"x"}')


@pytest.fixture(
    params=[("asyncio", {"use_uvloop": True}), ("asyncio", {"use_uvloop": False})],
    ids=["uvloop", "asyncio"],
)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


def secured(**session: object) -> Settings:
    return Settings.model_validate(
        {
            "auth": {"required": True, "api_secrets": [{"id": "t1", "secret": "sek-A"}]},
            "session": session,
        }
    )


async def fence(raw: RawSocket) -> None:
    """Prove that the connection still works."""
    await raw.send(FENCE)
    frame = await raw.receive()
    assert b"LiveKit client not configured" in frame.payload


async def test_rest_openapi_and_sockets_live_on_one_port() -> None:
    async with serve() as served, aiohttp.ClientSession() as http, connect(served.url) as client:
        base = f"http://127.0.0.1:{served.port}"
        for path in ("/", "/openapi.json"):
            async with http.get(base + path) as answer:
                assert answer.status == 200
        await client.send(CONFIG_TEXT)
        assert json.loads(await client.recv())["type"] == "ready"


async def test_tenants_do_not_hear_each_others_speech() -> None:
    secrets = [{"id": name, "secret": f"secret-{name}"} for name in ("a", "b")]
    settings = Settings.model_validate({"auth": {"required": True, "api_secrets": secrets}})
    async with serve(settings) as served:
        for tenant in ("a", "a", "b"):
            async with connect(f"{served.url}?token=secret-{tenant}") as client:
                await client.send(CONFIG_TEXT)
                await client.recv()
                await client.send('{"type":"speak","text":"hi"}')
                while isinstance(message := await client.recv(), bytes):
                    pass
                assert json.loads(message)["type"] == "tts_playback_complete"
        assert [one.spoken for one in served.provider.synthesizers] == [["hi"], [], ["hi"]]


async def test_sockets_on_other_paths_belong_to_the_application() -> None:
    async with serve() as served:

        @served.app.websocket("/echo")
        async def echo(client: WebSocket) -> None:
            await client.accept()
            await client.send_text(await client.receive_text())
            await client.close(4000)

        async with connect(f"ws://127.0.0.1:{served.port}/echo") as client:
            await client.send("hello")
            assert await client.recv() == "hello"
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == 4000
        async with ask(served.port, path="/ws/") as (_, status, _):
            assert status in {403, 404}


async def test_a_missing_token_is_a_plain_401_before_the_upgrade() -> None:
    async with serve(secured()) as served, ask(served.port) as (raw, status, head):
        assert status == 401
        assert b"content-type: application/json" in head.lower()
        body = json.loads(await raw.receive_end())
        assert body["error"] == "missing_auth_header"
        assert body["message"]
        await served.wait_alone()


@pytest.mark.parametrize("path", ["/ws?api_key=sek-A", "/ws?token=sek-A"])
async def test_a_token_in_the_query_lets_a_browser_in(path: str) -> None:
    async with serve(secured()) as served, open_raw(served.port, path=path) as raw:
        await fence(raw)


async def test_a_token_in_the_header_lets_a_client_in() -> None:
    headers = [*UPGRADE, ("Authorization", "Bearer sek-A")]
    async with serve(secured()) as served, open_raw(served.port, headers) as raw:
        await fence(raw)


@pytest.mark.parametrize(
    ("method", "missing", "extra", "status"),
    [
        ("POST", None, None, 405),
        ("GET", "Sec-WebSocket-Version", None, 400),
        ("GET", "Sec-WebSocket-Version", ("Sec-WebSocket-Version", "8"), 400),
        ("GET", "Sec-WebSocket-Key", None, 400),
        ("GET", "Sec-WebSocket-Key", ("Sec-WebSocket-Key", "short"), 400),
        ("GET", "Upgrade", None, 400),
    ],
)
async def test_a_bad_handshake_is_answered_in_json(
    method: str, missing: str | None, extra: tuple[str, str] | None, status: int
) -> None:
    headers = [header for header in UPGRADE if header[0] != missing]
    headers += [extra] if extra else []
    async with serve() as served, ask(served.port, headers, method=method) as (raw, got, head):
        assert got == status
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        assert json.loads(await raw.reader.readexactly(length))["error"]


async def test_the_handshake_offers_nothing_that_was_not_agreed() -> None:
    offers = [
        *UPGRADE,
        ("Sec-WebSocket-Protocol", "a, b"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ]
    async with serve() as served, ask(served.port, offers) as (_, status, head):
        assert status == 101
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # pragma: allowlist secret
        assert b"sec-websocket-protocol" not in head.lower()
        assert b"sec-websocket-extensions" not in head.lower()


@pytest.mark.parametrize("version", ["13", "8"])
async def test_a_socket_has_the_request_id_of_its_upgrade(version: str) -> None:
    others = [header for header in UPGRADE if header[0] != "Sec-WebSocket-Version"]
    headers = [*others, ("Sec-WebSocket-Version", version), ("X-Request-Id", "call-17")]
    async with serve() as served, ask(served.port, headers) as (_, status, head):
        assert status == (101 if version == "13" else 400)
        assert b"x-request-id: call-17" in head.lower()


async def test_small_packets_leave_at_once() -> None:
    async with serve() as served, open_raw(served.port):
        [connection] = served.server.server_state.connections
        transport: asyncio.Transport = connection._transport  # type: ignore[union-attr]  # ours
        socket = transport.get_extra_info("socket")
        assert socket.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY) != 0
        assert socket.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_NOTSENT_LOWAT) == 16_384


async def test_a_ping_is_answered_with_its_payload() -> None:
    async with serve() as served, open_raw(served.port) as raw:
        await raw.send(render_frame(PING, b"here?"))
        assert await raw.receive() == (PONG, b"here?")


async def test_a_pong_that_nobody_asked_for_is_ignored() -> None:
    async with serve() as served, open_raw(served.port) as raw:
        await raw.send(render_frame(PONG, b"?"))
        await fence(raw)


@pytest.mark.parametrize(
    ("payload", "code"), [(b"", 1000), (b"\x03\xe8", 1000), (b"\x0f\xa1bye", 4001)]
)
async def test_a_close_is_echoed_and_the_connection_ends(payload: bytes, code: int) -> None:
    async with serve() as served, open_raw(served.port) as raw:
        await raw.send(render_frame(CLOSE, payload), render_frame(TEXT, b"too late"))
        assert await raw.receive_close() == code
        assert await raw.receive_end() == b""
        raw.writer.close()
        await served.wait_alone()


async def test_a_client_library_sees_a_clean_close() -> None:
    async with serve() as served:
        async with connect(served.url) as client:
            pass
        assert client.close_code == 1000
        await served.wait_alone()


async def test_a_dropped_connection_is_noticed() -> None:
    async with serve() as served:
        async with open_raw(served.port) as raw:
            await raw.send(render_frame(TEXT, CONFIG_TEXT.encode()))
            assert b"ready" in (await raw.receive()).payload
        await served.wait_alone()
        assert served.leftovers == []


async def test_half_a_close_ends_the_connection() -> None:
    async with serve() as served:
        async with open_raw(served.port) as raw:
            raw.writer.write_eof()
            await raw.receive_end()
        await served.wait_alone()


async def test_a_message_of_sixteen_mib_is_taken() -> None:
    async with serve() as served, open_raw(served.port) as raw:
        await raw.send(render_frame(BINARY, bytes(16 * MIB)))
        assert b"Audio processing is disabled" in (await raw.receive()).payload


async def test_a_larger_frame_is_refused_with_1009() -> None:
    async with serve() as served:
        async with open_raw(served.port) as raw, asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(raw.send(render_frame(BINARY, bytes(16 * MIB + 1))))
            assert await raw.receive_close() == 1009
            await sending  # all of it: a reset could have hidden the Close from the client
            assert await raw.receive_end() == b""
        await served.wait_alone()


async def test_a_larger_message_in_fragments_is_refused_with_1009() -> None:
    async with serve() as served:
        async with open_raw(served.port) as raw:
            await raw.send(render_frame(BINARY, bytes(16 * MIB), fin=False))
            await raw.send(render_frame(CONTINUATION, b"x"))
            assert await raw.receive_close() == 1009
        await served.wait_alone()


@pytest.mark.parametrize(
    "frames",
    [
        render_frame(CONTINUATION, b"x"),
        render_frame(0x3, b"x"),
        render_frame(0xB, b"x"),
        render_frame(TEXT, b"{}", mask=False),
        render_frame(TEXT, b"{}", rsv=4),
        render_frame(TEXT, b"{}", rsv=1),
        render_frame(PING, b"x", fin=False),
        render_frame(PING, bytes(126)),
        render_frame(TEXT, b"a", fin=False) + render_frame(TEXT, b"b"),
        render_frame(BINARY, b"a", fin=False) + render_frame(BINARY, b"b"),
        render_frame(CLOSE, b"\x03"),
        render_frame(CLOSE, b"\x03\xed"),
    ],
    ids=[
        "continuation-first",
        "reserved-opcode",
        "reserved-control",
        "unmasked",
        "rsv1",
        "rsv3",
        "fragmented-ping",
        "long-ping",
        "text-in-text",
        "binary-in-binary",
        "short-close",
        "close-1005",
    ],
)
async def test_a_violation_of_the_protocol_is_refused_with_1002(frames: bytes) -> None:
    async with serve() as served:
        async with open_raw(served.port) as raw:
            await raw.send(frames)
            assert await raw.receive_close() == 1002
        await served.wait_alone()


@pytest.mark.parametrize(
    "frames",
    [
        render_frame(TEXT, b'{"type":"\xff"}'),
        render_frame(TEXT, b"\xe2\x82", fin=False) + render_frame(CONTINUATION, b"\x41"),
    ],
)
async def test_a_text_that_is_not_utf8_is_refused_with_1007(frames: bytes) -> None:
    async with serve() as served:
        async with open_raw(served.port) as raw:
            await raw.send(frames)
            assert await raw.receive_close() == 1007
        await served.wait_alone()


async def test_fragments_become_one_message_and_control_frames_pass_between_them() -> None:
    async with serve() as served, open_raw(served.port) as raw:
        euro = '{"type":"€"}'.encode()
        await raw.send(
            render_frame(TEXT, euro[:10], fin=False),  # in the middle of a character
            render_frame(PING, b"p"),
            render_frame(CONTINUATION, b"", fin=False),
            render_frame(CONTINUATION, euro[10:]),
        )
        assert await raw.receive() == (PONG, b"p")
        error = json.loads((await raw.receive()).payload)
        assert error["message"].startswith("Invalid message format: unknown type `€`")


async def test_a_binary_message_in_fragments_is_audio_once() -> None:
    async with serve() as served, open_raw(served.port) as raw:
        await raw.send(render_frame(TEXT, CONFIG_TEXT.encode()))
        assert b"ready" in (await raw.receive()).payload
        await raw.send(
            render_frame(BINARY, b"\1\2", fin=False),
            render_frame(CONTINUATION, b"\3", fin=False),
            render_frame(CONTINUATION, b"\4"),
        )
        await fence(raw)
        assert served.provider.recognizers[0].audio == b"\1\2\3\4"


async def test_frames_that_come_in_single_bytes_are_understood() -> None:
    async with serve() as served, open_raw(served.port) as raw:
        for byte in FENCE:
            await raw.send(bytes([byte]))
            await settle()
        assert b"LiveKit client not configured" in (await raw.receive()).payload


async def test_a_server_that_stops_says_1001() -> None:
    async with serve() as served, connect(served.url) as client:
        served.stop()
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1001


async def test_a_server_that_stops_finishes_what_is_being_said() -> None:
    async with serve() as served, connect(served.url) as client:
        served.provider.speak_gate = asyncio.Event()
        await client.send(CONFIG_TEXT)
        assert json.loads(await client.recv())["type"] == "ready"
        await client.send('{"type":"speak","text":"good bye"}')
        await until(lambda: served.provider.synthesizers[0].spoken)
        served.stop()
        await until(lambda: served.app.state.drain.sockets)
        served.provider.speak_gate.set()
        assert len(await client.recv()) == 320
        assert len(await client.recv()) == 320
        assert json.loads(await client.recv())["type"] == "tts_playback_complete"
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1001
        await served.wait_alone()
        assert served.leftovers == []


async def test_a_server_that_stops_does_not_wait_for_a_voice_that_never_ends() -> None:
    settings = Settings.model_validate({"session": {"drain_timeout_s": 0.05}})
    async with serve(settings) as served, connect(served.url) as client:
        served.provider.speak_gate = asyncio.Event()
        await client.send(CONFIG_TEXT)
        await client.send('{"type":"speak","text":"for ever"}')
        assert json.loads(await client.recv())["type"] == "ready"
        served.stop()
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1001


async def test_a_client_that_does_not_answer_pings_is_given_up() -> None:
    settings = Settings.model_validate(
        {"session": {"ping_interval_s": 0.05, "ping_timeout_s": 0.1}}
    )
    async with serve(settings) as served, open_raw(served.port) as raw:
        assert (await raw.receive()).opcode == PING
        assert await raw.receive_close() == 1011
        await raw.receive_end()
        await served.wait_alone()


async def test_a_client_that_answers_pings_stays() -> None:
    settings = Settings.model_validate(
        {"session": {"ping_interval_s": 0.02, "ping_timeout_s": 0.2}}
    )
    async with serve(settings) as served, open_raw(served.port) as raw:
        for _ in range(15):
            ping = await raw.receive()
            assert ping.opcode == PING
            await raw.send(render_frame(PONG, ping.payload))
        await raw.send(FENCE)
        while (frame := await raw.receive()).opcode == PING:
            pass
        assert frame.opcode == TEXT

"""The frame around a vendor: control API, handshake faults, TLS, and nothing left behind."""

import asyncio
import gc
from pathlib import Path

import aiohttp
import pytest

from tests.emulators.certificates import make_certificates
from tests.emulators.clock import SteppedClock
from tests.emulators.deepgram import open_deepgram
from tests.emulators.rules import DropAfter, Hang, Refuse, Reject, StallHandshake

MODELS = "/v1/models"
LISTEN = "/v1/listen?model=nova-3"


async def test_a_rejection_says_what_the_rule_says(http: aiohttp.ClientSession) -> None:
    async with open_deepgram() as emulator:
        emulator.rules.add(Reject(status=503, body="busy", headers={"retry-after": "1"}))
        emulator.rules.add(Reject(status=418, body={"a": 1}))
        emulator.rules.add(Reject(status=402))
        async with http.get(emulator.http_url + MODELS) as answer:
            assert (answer.status, await answer.text()) == (503, "busy")
            assert answer.headers["retry-after"] == "1"
        async with http.get(emulator.http_url + MODELS) as answer:
            assert (await answer.json())["a"] == 1
        async with http.get(emulator.http_url + MODELS) as answer:
            assert (await answer.json())["err_code"] == "ASR_PAYMENT_REQUIRED"
        async with http.get(emulator.http_url + MODELS) as answer:
            assert answer.status == 200
    answers = emulator.recorder.select(kind="answer")
    assert [answer.status for answer in answers] == [503, 418, 402, 200]


async def test_an_upgrade_is_rejected_by_its_status(http: aiohttp.ClientSession) -> None:
    async with open_deepgram() as emulator:
        emulator.rules.add(Reject(status=429), path="/v1/listen")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(emulator.ws_url + LISTEN)
        assert refused.value.status == 429


async def test_a_refused_connection_is_reset() -> None:
    async with open_deepgram() as emulator:
        emulator.rules.add(Refuse())
        reader, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
        writer.write(b"GET /v1/models HTTP/1.1\r\nHost: here\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_a_closed_port_opens_again(http: aiohttp.ClientSession) -> None:
    async with open_deepgram() as emulator:
        port = emulator.port
        async with emulator.refusing():
            with pytest.raises(aiohttp.ClientConnectorError):
                await http.get(emulator.http_url + MODELS)
        async with http.get(emulator.http_url + MODELS) as answer:
            assert answer.status == 200
        assert emulator.port == port


async def test_a_stalled_handshake_takes_its_time(http: aiohttp.ClientSession) -> None:
    clock = SteppedClock()
    async with open_deepgram(clock=clock) as emulator:
        emulator.rules.add(StallHandshake(ms=3000))
        opening = asyncio.ensure_future(http.ws_connect(emulator.ws_url + LISTEN))
        await emulator.recorder.wait_for(1, kind="request")
        await clock.advance(2.9)
        assert not opening.done()
        await clock.advance(0.2)
        async with await opening:
            pass


async def test_nobody_waits_for_a_handshake_that_never_ends(http: aiohttp.ClientSession) -> None:
    async with open_deepgram() as emulator:
        emulator.rules.add(StallHandshake())
        opening = asyncio.ensure_future(http.ws_connect(emulator.ws_url + LISTEN))
        await emulator.recorder.wait_for(1, kind="request")
    with pytest.raises(aiohttp.ClientError):
        await opening


@pytest.mark.parametrize(
    ("drop", "is_complete"),
    [
        (DropAfter(bytes=1000, mode="reset"), False),
        (DropAfter(bytes=1000, mode="eof"), False),
        (DropAfter(bytes=10**9), True),
    ],
)
async def test_a_body_is_cut_in_its_place(
    http: aiohttp.ClientSession, drop: DropAfter, is_complete: bool
) -> None:
    async with open_deepgram() as emulator:
        emulator.rules.add(drop)
        async with http.post(f"{emulator.http_url}/v1/speak", json={"text": "a b c"}) as answer:
            assert answer.status == 200
            try:
                await answer.read()
                assert is_complete
            except aiohttp.ClientError:
                assert not is_complete
    sent = emulator.recorder.select(kind="binary", sender="emulator").audio
    assert (len(sent) == 1000) != is_complete


async def test_a_body_can_hang(http: aiohttp.ClientSession) -> None:
    clock = SteppedClock()
    async with open_deepgram(clock=clock) as emulator:
        emulator.rules.add(Hang(bytes=100, ms=60_000))
        asking = asyncio.ensure_future(
            http.post(f"{emulator.http_url}/v1/speak", json={"text": "hello"})
        )
        await emulator.recorder.wait_for(1, kind="binary")
        answer = await asking
        assert emulator.recorder.select(kind="binary").sizes == [100]
        reading = asyncio.ensure_future(answer.read())
        await clock.advance(59)
        assert not reading.done()
        while not reading.done():
            await clock.advance(1)
        assert len(await reading) > 1000


async def test_the_control_api_sets_rules_and_shows_what_happened(
    http: aiohttp.ClientSession,
) -> None:
    async with open_deepgram() as emulator:
        control = f"{emulator.http_url}/_ctl/"
        rule = {"match": {"path": MODELS}, "action": {"do": "reject", "status": 500}}
        async with http.post(control + "rules", json=rule) as answer:
            assert answer.status == 204
        async with http.post(control + "rules", json={"action": {"do": "dance"}}) as answer:
            assert answer.status == 400
            assert "dance" in (await answer.json())["error"]
        async with http.get(emulator.http_url + MODELS) as answer:
            assert answer.status == 500
        async with http.get(control + "log") as answer:
            log = await answer.json()
        assert [each["kind"] for each in log] == ["request", "answer"]
        assert log[0]["path"] == MODELS
        async with http.get(control + "stats") as answer:
            assert (await answer.json())["requests"] == 1
        async with http.ws_connect(emulator.ws_url + LISTEN) as socket:
            await socket.send_bytes(b"RIFF")
            await emulator.recorder.wait_for(1, kind="binary")
            async with http.get(control + "stats") as answer:
                stats = await answer.json()
        assert (stats["sockets_open"], stats["bytes_received"]) == (1, 4)
        async with http.post(control + "reset") as answer:
            assert answer.status == 204
        assert len(emulator.recorder.all) == 0
        async with http.get(control + "nothing") as answer:
            assert answer.status == 404


async def test_tls_is_served_to_whoever_trusts_the_authority() -> None:
    certificates = make_certificates()
    async with open_deepgram(tls=certificates.server) as emulator, aiohttp.ClientSession() as http:
        assert emulator.http_url.startswith("https://")
        assert emulator.ws_url.startswith("wss://")
        headers = {"Authorization": "Token test-key"}
        trusted = certificates.client()
        url = emulator.http_url + MODELS
        async with http.get(url, headers=headers, ssl=trusted) as answer:
            assert answer.status == 200
        async with http.ws_connect(
            emulator.ws_url + LISTEN, headers=headers, ssl=trusted
        ) as socket:
            await socket.send_str('{"type":"CloseStream"}')
            assert '"Metadata"' in await socket.receive_str()
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await http.get(url, headers=headers)


async def test_an_emulator_leaves_nothing_behind() -> None:
    def files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    headers = {"Authorization": "Token test-key"}

    async def use() -> None:
        async with open_deepgram() as emulator, aiohttp.ClientSession(headers=headers) as http:
            emulator.rules.add(Hang(), path="/v1/listen", nth=2)
            emulator.rules.add(DropAfter(mode="half-open"), path="/v1/listen", nth=3)
            sockets = [await http.ws_connect(emulator.ws_url + LISTEN) for _ in range(5)]
            await sockets[0].close()
            await sockets[1].send_bytes(b"RIFF")
            speaking = await http.ws_connect(f"{emulator.ws_url}/v1/speak")
            await speaking.send_json({"type": "Speak", "text": "a long story " * 20})
            await speaking.send_json({"type": "Flush"})
            await emulator.recorder.wait_for(1, kind="binary", sender="emulator")

    await use()
    gc.collect()
    before = (files(), len(asyncio.all_tasks()))
    for _ in range(5):
        await use()
    gc.collect()
    assert (files(), len(asyncio.all_tasks())) == before

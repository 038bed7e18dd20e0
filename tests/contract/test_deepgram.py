"""Recorded sessions against a vendor, held by a real server process and the same fake Deepgram.

Groups about time have a test of their own: here, what is sent and in which order counts.
"""

import asyncio
import json
import math
import re
from collections.abc import AsyncGenerator
from itertools import groupby
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.contract.runner import Row
from tests.contract.test_ws import matches
from tests.contract.vendor_session import (
    RECORDING,
    Client,
    Played,
    Stage,
    config_of,
    letters,
    named,
    open_server,
    open_stage,
    play,
    recorded_bytes,
    recorded_texts,
    refusal_of,
    row_of,
    rows,
    settle,
)
from tests.emulators.deepgram import open_deepgram
from tests.emulators.pacing import Pace
from tests.fakes.vendor_server import until

pytestmark = pytest.mark.slow

DRIP_BYTES = 60_000
RATE_0 = "upstream.query-rate-0"
FLUSH_FALSE = "tts.flush-false"
ELSEWHERE = {FLUSH_FALSE, "tts.clear-stall"}
"""The first has a test of its own, the second is about time: `test_deepgram_turns`."""


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage, None]:
    async with open_stage(tmp_path_factory.mktemp("deepgram")) as opened:
        yield opened


def check_handshake(played: Played) -> None:
    recorded = played.row["vendor_handshake"]
    assert played.stream.path == recorded["path"].replace("<model>", played.models[0])
    assert played.stream.authorization == dict(recorded["headers"])["authorization"]


def check_requests(played: Played) -> None:
    """Hold the requests against the recorded ones; ours may be tried again where one failed."""
    recorded = [
        (one["path"].replace("<model>", played.models[1]), json.loads(one["body"]))
        for one in played.row["vendor_requests"]
    ]
    ours = [(path, json.loads(body)) for path, body in played.asked]
    failing = any(re.fullmatch(r"E\d+|CUT.*", body["text"]) for _, body in recorded)
    if failing:
        ours = [one for one, _ in groupby(ours)]
    if "clear" in played.row["id"]:
        assert all(one in ours for one in recorded)  # what comes next may be made ahead
    else:
        assert ours == recorded


def check_texts(played: Played) -> None:
    wanted = recorded_texts(played.row)
    ours = [re.sub(r'(?<="timestamp":)\d{13}', "0", text) for text in played.client.texts]
    assert len(ours) == len(wanted), ours
    for text, one in zip(wanted, ours, strict=True):
        assert matches(json.loads(text), json.loads(one)), (one, text)


def check_prefixes(played: Played) -> None:
    """Hold kinds and order; of an error, what its text begins with and mentions."""
    kinds = [json.loads(text)["type"] for text in recorded_texts(played.row)]
    assert [json.loads(text)["type"] for text in played.client.texts] == kinds
    error = json.loads(played.client.texts[0])["message"]
    assert all(words.lower() in error.lower() for words in played.row["mentions"])
    assert error.startswith(played.row["mentions"][0])


@pytest.mark.parametrize("row", [row for row in rows("upstream") if row["id"] != RATE_0], ids=named)
async def test_a_stream_is_asked_for_as_recorded(row: Row, stage: Stage) -> None:
    async with play(row, stage) as played:
        if row["ours"] == "same":
            check_handshake(played)
            wanted = (
                [one.get("bin", one.get("text")) for one in row["vendor_got"]][:-1]
                if ("vendor_got" in row)
                else []
            )
            await until(lambda: len(played.stream.got) >= len(wanted))
            assert played.stream.got[: len(wanted)] == wanted
        else:
            await check_difference(played)


async def check_difference(played: Played) -> None:
    """Hold what a row expects in words."""
    path = played.stream.path
    match played.row["id"]:
        case "upstream.query-pcm":
            assert "&encoding=linear16&" in path
        case "upstream.query-language-blank":
            assert "language" not in path
        case "upstream.query-model-blank":
            assert path.startswith("/v1/listen?model=nova-3&")
        case "upstream.frames-verbatim":
            await until(lambda: played.stream.got == [4, 100_000])
        case "upstream.client-close" | "upstream.client-drop":
            await until(lambda: played.stream.is_over)
            assert played.stream.got == [640, '{"type":"CloseStream"}']
        case other:
            pytest.fail(f"nobody has said what {other} expects")


async def test_a_rate_of_zero_is_refused(stage: Stage) -> None:
    error = await refusal_of(config_of(row_of(RATE_0))[0], stage.server)
    assert "stt_config.sample_rate" in error


@pytest.mark.parametrize("row", rows("vendor-messages"), ids=named)
async def test_a_message_of_the_vendor_means_what_was_recorded(row: Row, stage: Stage) -> None:
    async with play(row, stage) as played:
        await until(lambda: len(played.client.texts) >= len(recorded_texts(row)))
        await settle(played.client)
        if row["ours"] == "same":
            check_texts(played)
        else:  # the same error; then another stream takes over
            assert played.client.texts[:1] == recorded_texts(row)[:1]
            await until(lambda: played.vendor.streams[-1] is not played.stream)


@pytest.mark.parametrize(
    "row",
    [row for row in rows("tts", "pron", "chunks") if row["id"] not in ELSEWHERE],
    ids=named,
)
async def test_speech_is_asked_for_and_passed_on_as_recorded(row: Row, stage: Stage) -> None:
    if row["id"] == "chunks.rate-50":
        assert "tts_config.sample_rate" in await refusal_of(config_of(row)[0], stage.server)
        return
    async with play(row, stage) as played:
        client = played.client
        await until(lambda: len(client.texts) >= len(recorded_texts(row)))
        await settle(client)
        if row["ours"] == "same":
            check_requests(played)
            check_texts(played)
            check_audio(played)
        elif row["ours"] == "prefix":
            check_prefixes(played)
        else:
            check_speech_difference(played)


def check_audio(played: Played) -> None:
    wanted, ours = recorded_bytes(played.row), len(played.client.audio)
    if "clear" in played.row["id"] and "DRIP" in json.dumps(played.row["script"]):
        assert 0 < ours < DRIP_BYTES  # how far it came is a matter of milliseconds
    else:
        assert ours == wanted
    firsts = [
        each.split(" x")[0]
        for one in played.row["client_got"]
        for each in one.get("first_bytes", ())
    ]
    if firsts:
        assert letters(played.client.audio) == "".join(firsts)


PRONOUNCED = {
    "pron.pronunciations": "sequel $5 and MySQL, sql; sequel's see plus plus dot net",
    "pron.pron-dollar-name": "$0 ${x} $$1",
}
REFORMED = {
    "chunks.chunks-linear16-11025": ("encoding=linear16&container=none&sample_rate=16000", 3_446),
    "chunks.chunks-linear16-22050": ("encoding=linear16&container=none&sample_rate=24000", 4_594),
    "chunks.chunks-linear16-44100": ("encoding=linear16&container=none&sample_rate=48000", 4_594),
    "chunks.chunks-pcm-16000": ("encoding=linear16&container=none&sample_rate=16000", 5_000),
    "chunks.chunks-pcm-24000": ("encoding=linear16&container=none&sample_rate=24000", 5_000),
    "chunks.chunks-alaw-8000": ("encoding=alaw&container=none&sample_rate=8000", 5_000),
    "chunks.chunks-alaw-44100": ("encoding=linear16&container=none&sample_rate=48000", 2_297),
    "chunks.chunks-mp3-24000": ("encoding=mp3", 5_000),
    "chunks.chunks-wav-24000": ("encoding=linear16&container=none&sample_rate=24000", 5_044),
    "chunks.chunks-opus-48000": ("encoding=opus&container=ogg", 5_000),
    "chunks.chunks-LINEAR16-24000": ("encoding=linear16&container=none&sample_rate=24000", 5_000),
}
"""What is asked of the vendor, and how many bytes come of its 5000."""


def check_speech_difference(played: Played) -> None:
    """Hold what a row expects in words."""
    name = str(played.row["id"])
    if name in PRONOUNCED:
        assert [json.loads(body)["text"] for _, body in played.asked] == [PRONOUNCED[name]]
    elif name in REFORMED:
        query, size = REFORMED[name]
        assert [path for path, _ in played.asked] == [f"/v1/speak?model={played.models[1]}&{query}"]
        assert abs(len(played.client.audio) - size) <= 2
    elif name == "tts.error-empty-body":
        assert (played.client.audio, played.client.count("tts_playback_complete")) == (b"", 1)
    else:
        pytest.fail(f"nobody has said what {name} expects")


async def test_texts_that_are_not_flushed_go_on_with_one_utterance(tmp_path: Path) -> None:
    texts = [what["text"] for _, _, what in row_of(FLUSH_FALSE)["script"]]
    async with open_deepgram(any_model=True, pace=Pace(speed=math.inf)) as vendor:
        environment = RECORDING.environments["deepgram"]
        async with (
            open_server(environment, tmp_path, deepgram=vendor.port) as server,
            connect(f"ws://127.0.0.1:{server.port}/ws") as socket,
        ):
            await socket.send(json.dumps(config_of(row_of(FLUSH_FALSE))[0]))
            client = Client(socket)
            reading = asyncio.create_task(client.read())
            for _, _, what in row_of(FLUSH_FALSE)["script"]:
                await socket.send(json.dumps(what))
                await settle(client)
            assert client.count("tts_playback_complete") == 0
            await socket.send('{"type":"speak","text":" c","flush":true}')
            await until(lambda: client.count("tts_playback_complete"))
            await settle(client)
            reading.cancel()
            await asyncio.wait([reading])
        said = vendor.recorder.select(path="/v1/speak", sender="client", kind="text")
    assert "".join(one.json["text"] for one in said if one.type == "Speak") == "".join(texts) + " c"
    assert [one.type for one in said if one.type != "Speak"] == ["Flush"]
    assert client.count("tts_playback_complete") == 1
    assert len(client.audio) > 0

"""Recorded sessions in which the vendor goes away or does not let us in.

What the original answers with silence for the rest of the session, a new stream mends here: one
error with the recorded beginning, then everything that was sent is heard by another stream.
"""

import json
import socket
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.runner import Row
from tests.contract.vendor_session import (
    CONFIG,
    RECORDING,
    Played,
    Stage,
    named,
    open_server,
    open_stage,
    play,
    refusal_of,
    row_of,
    rows,
    settle,
)
from tests.fakes.vendor_server import until

pytestmark = pytest.mark.slow

LOST = "STT streaming error: Network error: "
COMPLAINED = "STT streaming error: Provider error: Unknown error from Deepgram"
TWICE = "This connection is configured already."
REFUSED = "Failed to start voice manager: STT error: "
REASONS: Mapping[str, str] = {
    "refused.401": f"{REFUSED}Authentication failed: Deepgram refused (401 Unauthorized): "
    "Invalid credentials.",
    "refused.400": "Failed to create voice manager: STT error: Configuration error: "
    "Deepgram refused (400 Bad Request): bad model",
    "refused.402": f"{REFUSED}Provider error: Deepgram refused (402 Payment Required)",
    "refused.429": f"{REFUSED}Provider error: Deepgram refused (429 Too Many Requests)",
    "refused.500": f"{REFUSED}Provider error: Deepgram refused (500 Internal Server Error)",
    "refused.200": f"{REFUSED}Provider error: Deepgram refused (200 OK)",
}


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage, None]:
    async with open_stage(tmp_path_factory.mktemp("deepgram")) as opened:
        yield opened


def errors(played: Played) -> list[str]:
    messages = [json.loads(text) for text in played.client.texts]
    return [one["message"] for one in messages if one["type"] == "error"]


def audio_sent(row: Row) -> int:
    return sum(what["binary"] for _, who, what in row["script"] if who == "audio")


def audio_heard(played: Played) -> int:
    """Return how many bytes came to the streams of this row, the dead one left out."""
    mine = [one for one in played.vendor.streams if f"model={played.models[0]}&" in one.path]
    return sum(size for one in mine[1:] for size in one.got if isinstance(size, int))


@pytest.mark.parametrize("row", rows("vendor-loss"), ids=named)
async def test_a_lost_stream_is_told_once_and_another_takes_over(row: Row, stage: Stage) -> None:
    async with play(row, stage) as played:
        await until(lambda: played.vendor.streams[-1] is not played.stream)
        await until(lambda: audio_heard(played) == audio_sent(row))
        if row["id"] == "vendor-loss.close-1000":  # speech goes on meanwhile
            await until(lambda: played.client.count("tts_playback_complete"))
            assert played.client.audio == b"c" * 100
        await settle(played.client)
        told, *others = errors(played)
    assert told.startswith(COMPLAINED if "error" in row["id"] else LOST)
    if row["id"] == "vendor-loss.drop-then-config":
        (other,) = others
        assert other.startswith(TWICE)
    else:
        assert others == []


async def test_a_turn_that_was_open_when_the_stream_was_lost_is_ended(stage: Stage) -> None:
    row = row_of("timing.vendor-drop-after-final")
    async with play(row, stage) as played:
        await until(lambda: played.client.count("stt_result") == 2)
        await until(lambda: played.vendor.streams[-1] is not played.stream)
        await settle(played.client)
        recorded = [json.loads(one["text"]) for one in row["client_got"]]
        ours = [json.loads(text) for text in played.client.texts]
    assert [one["type"] for one in ours] == [one["type"] for one in recorded]
    assert ours[0] == recorded[0]
    assert ours[1]["message"].startswith(LOST)
    assert ours[2] == {**recorded[2], "turn_transcript": "a"}


@pytest.mark.parametrize("row", [row_of(name) for name in REASONS], ids=named)
async def test_a_refused_stream_is_told_once_with_the_vendors_reason(
    row: Row, stage: Stage
) -> None:
    stage.vendor.refuse = tuple(row["vendor_answer"])
    try:
        error = await refusal_of(json.loads(row["frames"][0]), stage.server)
    finally:
        stage.vendor.refuse = None
    assert error.startswith(REASONS[row["id"]])
    assert error.count("refused") == 1


async def test_a_stream_is_not_followed_to_where_the_vendor_sends_it(stage: Stage) -> None:
    """The recorded environment `refuse-302` has no row: the key stays with this host."""
    elsewhere = f"ws://127.0.0.1:{stage.vendor.port}/v1/listen?model=elsewhere"
    stage.vendor.refuse = (302, {"location": elsewhere}, "")
    seen = len(stage.vendor.streams)
    try:
        error = await refusal_of(dict(CONFIG), stage.server)
    finally:
        stage.vendor.refuse = None
    assert error == f"{REFUSED}Provider error: Deepgram refused (302 Found)"
    assert len(stage.vendor.streams) == seen


async def test_a_refused_config_may_be_sent_again(stage: Stage) -> None:
    stage.vendor.refuse = (401, {}, "")
    try:
        assert await refusal_of(dict(CONFIG), stage.server)
    finally:
        stage.vendor.refuse = None
    async with play({**row_of("vendor-loss.close-1000-idle"), "script": []}, stage) as played:
        await settle(played.client)
        assert errors(played) == []


@contextmanager
def silent_port() -> Iterator[int]:
    """Listen, and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


async def refusal_in(environment: Mapping[str, Any], folder: Path, **ports: int) -> str:
    """Return why a server of this environment refuses a config."""
    async with open_server(environment, folder, **ports) as server:
        return await refusal_of(dict(CONFIG), server)


async def test_a_vendor_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    row = row_of("refused.connection-refused")
    error = await refusal_in(RECORDING.environments[row["env"]], tmp_path)
    assert error.startswith(row["mentions"][0])
    assert "cannot be reached" in error or "refused" in error


async def test_a_vendor_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """The recorded environment `refuse-handshake-hangs` has no row: ten seconds, then an error."""
    environment = RECORDING.environments["refuse-handshake-hangs"]
    with silent_port() as port:
        error = await refusal_in(environment, tmp_path, silent=port)
    assert error.startswith(REFUSED)


def test_every_refusal_is_looked_at() -> None:
    assert {row["id"] for row in rows("refused")} == {*REASONS, "refused.connection-refused"}

"""Recorded sessions that say a text for the second time: what is remembered, and for whom.

The original shares speech between keys and pronunciations, keeps what was cut short and replays
an utterance as one frame; here only what would sound the same comes back, in ordinary frames.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest

from tests.contract.runner import Row
from tests.contract.vendor_session import (
    Played,
    Stage,
    act,
    named,
    open_stage,
    play,
    recorded_bytes,
    recorded_texts,
    row_of,
    rows,
    settle,
)
from tests.fakes.vendor_server import until

pytestmark = pytest.mark.slow

ACROSS = "cache.across-"
ERRORS = "cache.error-not-cached-1"
FRAME_BYTES = 320
"""Ten milliseconds."""

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "cache.across-3-other-key": {"auth": {"api_key": "another-key"}},
    "cache.across-4-pronunciation": {
        "pronunciations": [
            {"word": "LEN5000", "pronunciation": "LEN5000"},
            {"word": "x", "pronunciation": "y"},
        ]
    },
    "cache.across-5-other-rate": {"sample_rate": 24_000},
    "cache.across-6-speed": {"speaking_rate": 1.25},
}
"""How the sessions differ that say the same: the names of the rows tell it."""

ASKED = {
    "cache.hit-trimmed": 1,
    "cache.across-2-other-session": 0,
    "cache.after-clear": 2,
    "cache.across-3-other-key": 1,
    "cache.across-4-pronunciation": 1,
    "cache.empty-cached": 2,
}
"""How often the vendor is asked in rows that are to end otherwise than they were recorded."""


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage, None]:
    async with open_stage(tmp_path_factory.mktemp("deepgram")) as opened:
        yield opened


def with_change(row: Row) -> Row:
    """Say what the row's config has of its own; those that share a memory share a voice."""
    if row["id"] == ERRORS:  # its texts go out one after the other, however long that takes
        return {**row, "script": []}
    change = dict(CHANGES.get(row["id"], {}))
    if row["id"].startswith(ACROSS):
        change["model"] = "aura-2-across-en"
    return {**row, "config_change": {"tts_config": change}}


def frame_sizes(played: Played) -> list[int]:
    return [len(one) for one in played.client.order if isinstance(one, bytes)]


@pytest.mark.parametrize("row", rows("cache"), ids=named)
async def test_only_what_would_sound_the_same_is_remembered(row: Row, stage: Stage) -> None:
    before = len(stage.vendor.requests)
    async with play(with_change(row), stage) as played:
        if row["id"] == ERRORS:
            for _, who, what in row["script"]:
                said = played.client.count("tts_playback_complete")
                await act(played, who, what)
                await until(lambda: played.client.count("tts_playback_complete") > said)  # noqa: B023 - awaited here
        wanted = 1 if row["id"] == "cache.after-clear" else len(recorded_texts(row))
        await until(lambda: len(played.client.texts) >= wanted)
        await settle(played.client)
        requests = stage.vendor.requests[before:]
        if row["ours"] == "same":
            check_same(row, played, [json.loads(one.body)["text"] for one in requests])
        else:
            assert len(requests) == ASKED[row["id"]]
            check_difference(row, played)
    if row["id"] == "cache.across-3-other-key":
        assert [one.authorization for one in requests] == ["Token another-key"]


def check_same(row: Row, played: Played, asked: list[str]) -> None:
    recorded = [json.loads(one["body"])["text"] for one in row["vendor_requests"]]
    if "error" in row["id"]:  # what may pass is tried three times, each time that it is asked for
        assert asked == [text for text in recorded for _ in range(3)]
    else:
        assert asked == recorded
    assert len(played.client.audio) == recorded_bytes(row)
    wanted = [json.loads(text) for text in recorded_texts(row)]
    ours = [json.loads(text) for text in played.client.texts]
    assert [{**one, "timestamp": 0} for one in ours] == [{**one, "timestamp": 0} for one in wanted]


def check_difference(row: Row, played: Played) -> None:
    """Hold what a row expects in words."""
    match row["id"]:
        case "cache.after-clear":
            again = frame_sizes(played)[-187:]
            assert sum(again) >= 59_840 - FRAME_BYTES
            assert played.client.count("tts_playback_complete") == 1
        case "cache.empty-cached":
            assert played.client.audio == b""
            assert played.client.count("tts_playback_complete") == 2
        case _:  # in ordinary frames, whether it was remembered or made
            assert len(played.client.audio) == recorded_bytes(row)
            assert max(frame_sizes(played)) == FRAME_BYTES


async def test_a_remembered_utterance_comes_byte_for_byte_as_it_was_made(stage: Stage) -> None:
    script = [[0, "client", {"type": "speak", "text": "LEN5001 q"}]]
    row = {**row_of("cache.across-1"), "script": script}
    heard: list[bytes] = []
    before = len(stage.vendor.requests)
    for _ in range(2):
        async with play(row, stage) as played:
            client = played.client
            await until(lambda: client.count("tts_playback_complete"))  # noqa: B023 - awaited here
            heard.append(client.audio)
    assert heard[0] == heard[1]
    assert len(stage.vendor.requests) == before + 1

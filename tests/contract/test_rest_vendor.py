"""REST as the original was seen to speak it where a vendor takes part: `/speak` and `/voices`.

A real server process and the fake Deepgram that the rows were recorded with. What was said for an
earlier row is remembered: the vendor is then not asked again, and an earlier request was the same.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.contract.runner import (
    Answer,
    Row,
    ServerProcess,
    compare,
    load_recording,
    send,
)
from tests.contract.vendor_session import open_servers_with_vendor
from tests.fakes.recorded_deepgram import RecordedDeepgram, Request

pytestmark = pytest.mark.slow

RECORDING = load_recording("rest")
ENVIRONMENTS = ("deepgram", "deepgram-cache")
ROWS = [row for row in RECORDING.rows if row["env"] in ENVIRONMENTS and row["group"] == "speak"]
ASKED = ("authorization", "content-type", "accept")
"""Headers that the vendor gets as recorded."""


@dataclass(frozen=True)
class Stage:
    """The vendor and a server for each environment."""

    vendor: RecordedDeepgram
    servers: Mapping[str, ServerProcess]

    async def ask(self, row: Row) -> Answer:
        return await asyncio.to_thread(send, row["request"], self.servers[row["env"]].port)


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage, None]:
    environments = {name: RECORDING.environments[name] for name in ENVIRONMENTS}
    folder = tmp_path_factory.mktemp("rest")
    async with open_servers_with_vendor(environments, folder) as (vendor, servers):
        yield Stage(vendor, servers)


def check_audio(row: Row, answer: Answer) -> None:
    recorded = row["answer"]
    assert len(answer.body) == int(recorded["bytes"])
    assert answer.body[:1].hex() == recorded["first_byte"]
    assert answer.header("x-cache") in {"HIT", "MISS"}


def asked(request: Request) -> tuple[str, str, Sequence[str | None]]:
    return request.path, request.body, [request.headers.get(name) for name in ASKED]


def recorded_requests(row: Row) -> list[tuple[str, str, Sequence[str | None]]]:
    return [
        (one["path"], compact(one["body"]), [dict(one["headers"])[name] for name in ASKED])
        for one in row.get("upstream", ())
    ]


def compact(body: str) -> str:
    return json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":"))


def check_requests(row: Row, answer: Answer, vendor: RecordedDeepgram, before: int) -> None:
    """Hold what the vendor was asked against what it was asked when the row was recorded."""
    wanted = recorded_requests(row)
    if answer.header("x-cache") == "HIT":
        assert len(vendor.requests) == before
        assert set(map(repr, wanted)) <= {repr(asked(one)) for one in vendor.requests}
    else:
        assert [asked(one) for one in vendor.requests[before:]] == wanted


FORMATS: Mapping[str, tuple[str, str, str, str, int]] = {
    "speak.format-pcm": ("linear16/none/24000", "audio/pcm", "pcm", "24000", 1000),
    "speak.format-mulaw": ("linear16/none/24000", "audio/basic", "mulaw", "24000", 500),
    "speak.format-ulaw": ("linear16/none/24000", "application/octet-stream", "ulaw", "24000", 500),
    "speak.format-alaw": ("linear16/none/24000", "application/octet-stream", "alaw", "24000", 500),
    "speak.format-mp3": ("mp3//", "audio/mpeg", "mp3", "22050", 1000),
    "speak.format-mpeg": ("mp3//", "audio/mpeg", "mpeg", "22050", 1000),
    "speak.format-wav": ("linear16/none/24000", "audio/wav", "wav", "24000", 1044),
    "speak.format-ogg": ("opus/ogg/", "audio/ogg", "ogg", "48000", 1000),
    "speak.format-opus": ("opus/ogg/", "audio/ogg", "opus", "48000", 1000),
    "speak.format-aac": ("aac//", "application/octet-stream", "aac", "22050", 1000),
    "speak.format-flac": ("flac//32000", "application/octet-stream", "flac", "32000", 1000),
    "speak.format-blank": (
        *("linear16/none/24000", "application/octet-stream", "linear16", "24000"),
        1000,
    ),
    "speak.format-weird": ("weird//24000", "application/octet-stream", "weird", "24000", 1000),
    "speak.rate-44100": ("linear16/none/48000", "audio/pcm", "linear16", "44100", 918),
}
"""What is asked (encoding/container/rate), then: content type, format, rate, bytes that come."""

SPOKEN = {
    "speak.pronunciations": "sequel plus sql plus MySQL",
    "speak.pron-empty-word": "ab",
}
SPEEDS = {"speak.speed-int": "1.5", "speak.speed-huge": "1.5", "speak.speed-1e39": None}


def query_of(request: Request) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.path).query, keep_blank_values=True))


def check_difference(row: Row, answer: Answer, vendor: RecordedDeepgram) -> None:
    """Hold what a row expects in words."""
    name = str(row["id"])
    if name in FORMATS:
        asking, content, *described, size = FORMATS[name]
        query = query_of(vendor.requests[-1])
        given = "/".join(query.get(one, "") for one in ("encoding", "container", "sample_rate"))
        assert given == asking or answer.header("x-cache") == "HIT"
        assert answer.header("content-type") == content
        assert [answer.header("x-audio-format"), answer.header("x-sample-rate")] == described
        assert abs(len(answer.body) - size) <= 2
    elif name in SPOKEN:
        assert json.loads(vendor.requests[-1].body) == {"text": SPOKEN[name]}
    elif name in SPEEDS:
        assert query_of(vendor.requests[-1]).get("speed") == SPEEDS[name]
    elif name in {"speak.config-missing", "speak.flat"}:
        assert set(answer.json) == {"metadata", "audio"}
        assert answer.json["metadata"]["bytes"] == 1000


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
async def test_speech_is_answered_as_it_should_be(row: Row, stage: Stage) -> None:
    before = len(stage.vendor.requests)
    answer = await stage.ask(row)
    compare(row, answer)
    if row["ours"] == "differs":
        check_difference(row, answer, stage.vendor)
    else:
        check_requests(row, answer, stage.vendor, before)
    if row["ours"] == "same":
        check_audio(row, answer)


async def test_voices_are_listed_as_recorded(stage: Stage) -> None:
    (row,) = [one for one in RECORDING.rows if one["id"] == "voices.deepgram"]
    stage.vendor.models = row["upstream_answer"]
    answer = await stage.ask(row)
    assert answer.status == 200
    recorded = {voice["id"]: voice for voice in row["answer"]["json"]["deepgram"]}
    recorded["aura-2-femina-en"]["gender"] = "Female"
    assert answer.json["deepgram"] == list(recorded.values())

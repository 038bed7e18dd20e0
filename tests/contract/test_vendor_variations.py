"""Requests and sessions beside the recorded ones, against a Deepgram as strict as the vendor.

Whatever a client asks for, the vendor must be asked for something that it has; what comes back
must be what its headers say.
"""

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from sayna.audio.wav import HEADER_BYTES
from tests.contract.runner import Answer, ServerProcess, load_recording, send
from tests.contract.vendor_session import CONFIG, open_server
from tests.emulators import rules
from tests.emulators.deepgram import open_deepgram
from tests.emulators.pacing import Pace
from tests.emulators.rules import Reject
from tests.emulators.server import Emulator

pytestmark = pytest.mark.slow

RECORDING = load_recording("rest")
SPEAK, MODELS = "/v1/speak", "/v1/models"
VOICE = {"provider": "deepgram", "model": "aura-2-thalia-en"}
WRONG, OWN = "no-key-of-anybody", "test-key"


@dataclass(frozen=True)
class Stage:
    """A strict vendor and a server that uses it."""

    vendor: Emulator
    server: ServerProcess

    async def ask(self, method: str, path: str, body: Any = None) -> Answer:  # noqa: ANN401
        request: dict[str, Any] = {"method": method, "path": path}
        if body is not None:
            request |= {
                "body": json.dumps(body),
                "headers": [["content-type", "application/json"]],
            }
        return await asyncio.to_thread(send, request, self.server.port)

    async def say(self, text: str = "hello there", **config: object) -> Answer:
        return await self.ask("POST", "/speak", {"text": text, "tts_config": VOICE | config})

    @property
    def said(self) -> list[str]:
        """The texts that the vendor was asked to say since the last `clear`."""
        return [one.json["text"] for one in self.vendor.recorder.requests(SPEAK)]


@pytest.fixture(scope="module")
async def open_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage, None]:
    async with open_deepgram(pace=Pace(speed=math.inf)) as vendor:
        environment = RECORDING.environments["deepgram"]
        folder = tmp_path_factory.mktemp("variations")
        async with open_server(environment, folder, deepgram=vendor.port) as server:
            yield Stage(vendor, server)


@pytest.fixture
def stage(open_stage: Stage) -> Stage:
    open_stage.vendor.reset()
    return open_stage


RAW = ("linear16", "pcm", "wav", "mulaw", "ulaw", "alaw", "LINEAR16", " Wav ", "")
RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
CODED = {"mp3": 22_050, "mpeg": 22_050, "aac": 22_050, "opus": 48_000, "ogg": 48_000}


@pytest.mark.parametrize(("name", "rate"), list(product(RAW, RATES)))
async def test_raw_speech_lasts_as_long_in_every_format_at_every_rate(
    name: str, rate: int, stage: Stage
) -> None:
    usual = await stage.say()
    answer = await stage.say(audio_format=name, sample_rate=rate)
    assert answer.status == 200
    assert answer.header("x-sample-rate") == str(rate)
    kind = answer.header("x-audio-format")
    assert kind == (name.strip().lower() or "linear16")
    width = 1 if kind in {"mulaw", "ulaw", "alaw"} else 2
    size = len(answer.body) - (HEADER_BYTES if kind == "wav" else 0)
    assert size / width / rate == pytest.approx(len(usual.body) / 2 / 24_000, abs=0.002)
    assert answer.body.startswith(b"RIFF") == (kind == "wav")


@pytest.mark.parametrize(("name", "rate"), list(product(CODED, (8_000, 44_100))))
async def test_coded_speech_has_the_rate_that_its_headers_say(
    name: str, rate: int, stage: Stage
) -> None:
    answer = await stage.say(audio_format=name, sample_rate=rate)
    assert answer.status == 200
    assert answer.header("x-sample-rate") == str(CODED[name])
    assert answer.body.startswith((b"ID3", b"\xff", b"OggS"))


@pytest.mark.parametrize("rate", [0, 7_999, 192_001, 2**32 - 1])
async def test_an_impossible_rate_asks_the_vendor_nothing(rate: int, stage: Stage) -> None:
    answer = await stage.say(sample_rate=rate)
    assert answer.status == 400
    assert "sample_rate" in answer.json["error"]
    assert stage.said == []


async def test_a_format_that_nobody_knows_is_the_vendors_to_refuse(stage: Stage) -> None:
    answer = await stage.say(audio_format="amr")
    assert answer.status == 500
    assert "API error (400 Bad Request)" in answer.json["error"]
    own = await stage.say(audio_format="amr", auth={"api_key": OWN})
    assert own.status == 500  # other credentials would not have helped


TEXTS = {
    "emoji": "\N{GRINNING FACE}",
    "zero width": "\u200b",
    "dots": "...",
    "null": "a\0b",
    "markup": "<speak>hi & bye</speak>",
    "braces": '{"word":"a","pronounce":"b"} \\',
    "right to left": "\u202eabc ١٢٣",
    "other planes": "\N{MATHEMATICAL FRAKTUR CAPITAL U}\N{MUSICAL SYMBOL G CLEF}",
    "combining": "e\u0301\u0323",
    "line breaks": "one\r\ntwo\u2028three",
}


@pytest.mark.parametrize("name", TEXTS)
async def test_an_odd_text_reaches_the_vendor_as_it_is(name: str, stage: Stage) -> None:
    answer = await stage.say(TEXTS[name])
    assert answer.status == 200
    assert len(answer.body) > 0
    assert stage.said == [TEXTS[name]]


@pytest.mark.parametrize("size", [1_999, 2_000, 2_001, 4_100, 20_000])
async def test_a_long_text_goes_out_in_parts_that_the_vendor_takes(size: int, stage: Stage) -> None:
    text = ("It is quite a long story. " * 1_000)[: size - 1] + "!"
    answer = await stage.say(text)
    assert answer.status == 200
    assert len(stage.said) >= math.ceil(size / 2_000)
    assert max(map(len, stage.said)) <= 2_000
    assert "".join(" ".join(stage.said).split()) == "".join(text.split())


async def test_a_text_beyond_all_limits_is_refused(stage: Stage) -> None:
    answer = await stage.say("a" * 20_001)
    assert answer.status == 400
    assert stage.said == []


PRONOUNCED: Mapping[str, tuple[str, list[tuple[str, str]], str]] = {
    "whole words": ("cat concat cat's", [("cat", "dog")], "dog concat dog's"),
    "case": ("Cat cat CAT", [("cat", "dog")], "Cat dog CAT"),
    "order": ("a b", [("a", "b"), ("b", "c")], "c c"),
    "a phrase": ("New York is new", [("New York", "NY")], "NY is new"),
    "symbols": ("C++ and .NET, F#!", [("C++", "see"), (".NET", "net"), ("F#", "eff")],
                "see and net, eff!"),
    "references": ("x", [("x", r"\1 \g<0> $0 ${x}")], r"\1 \g<0> $0 ${x}"),
    "patterns": ("a.c abc", [("a.c", "dot")], "dot abc"),
    "nothing": ("well um yes", [("um", "")], "well  yes"),
    "umlauts": ("Über über", [("Über", "Ueber")], "Ueber über"),
    "an empty word": ("ab", [("", "x")], "ab"),
}  # fmt: skip


@pytest.mark.parametrize("name", PRONOUNCED)
async def test_a_text_is_pronounced_before_it_goes_out(name: str, stage: Stage) -> None:
    text, pairs, spoken = PRONOUNCED[name]
    written = [{"word": word, "pronunciation": instead} for word, instead in pairs]
    answer = await stage.say(text, pronunciations=written)
    assert answer.status == 200
    assert stage.said == [spoken]


STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 415, 422, 425, 429, 500, 502, 503, 504, 599)
BODIES: Mapping[str, str | dict[str, Any]] = {
    "json": {"err_code": "X", "err_msg": "not today"},
    "other json": {"category": "X", "message": "not", "details": "today"},
    "plain": "not today",
    "empty": "",
    "huge": "<html>" + "x" * 200_000,
}


@pytest.mark.parametrize(("status", "body"), list(product(STATUSES, BODIES)))
async def test_a_refusal_is_told_with_its_status_and_its_reason(
    status: int, body: str, stage: Stage
) -> None:
    for own in (False, True):
        stage.vendor.rules.add(Reject(status=status, body=BODIES[body]), path=SPEAK)
        change = {"auth": {"api_key": OWN}} if own else {}
        answer = await stage.say(f"{status} {body} {own}", **change)
        assert answer.status == (400 if own and status in {401, 403} else 500)
        error = answer.json["error"]
        assert error.startswith(f"TTS synthesis error: Provider error: API error ({status}")
        assert len(error) < 700
        if "json" in body or body == "plain":
            assert "today" in error


@pytest.mark.parametrize("word", ["unauthorized", "Forbidden", "invalid CREDENTIALs"])
async def test_own_credentials_are_to_blame_when_the_vendor_says_so(
    word: str, stage: Stage
) -> None:
    for own, status in ((True, 400), (False, 500)):
        stage.vendor.rules.add(Reject(status=500, body=word), path=SPEAK)
        change = {"auth": {"api_key": OWN}} if own else {}
        assert (await stage.say(f"{word} {own}", **change)).status == status


async def test_neither_key_nor_text_comes_back_in_an_error(stage: Stage) -> None:
    text = "a secret that was to be said"
    stage.vendor.rules.add(Reject(status=500, body=f"{OWN} {text} {OWN}"), path=SPEAK)
    answer = await stage.say(text)
    assert answer.status == 500
    assert OWN not in answer.json["error"]
    assert text not in answer.json["error"]


@pytest.mark.parametrize(
    ("auth", "status", "asked"),
    [
        ({}, 200, "Token test-key"),
        (None, 200, "Token test-key"),
        ({"api_key": OWN}, 200, "Token test-key"),
        ({"api_key": WRONG}, 400, f"Token {WRONG}"),
        ({"api_key": " "}, 400, "Token"),
        ({"api_key": "ключ"}, 400, None),
        ({"api_key": ""}, 400, None),
        ({"api_key": None}, 400, None),
        ({"api_key": 7}, 400, None),
        ({"api_key": "a\r\nx-more: 1"}, 400, None),
        ({"api_key": OWN, "region": "r"}, 400, None),
        ({"key": OWN}, 400, None),
        ([], 422, None),
        ("test-key", 422, None),
    ],
)
async def test_only_a_whole_auth_object_is_used_and_nothing_of_the_servers_beside_it(
    auth: object, status: int, asked: str | None, stage: Stage
) -> None:
    answer = await stage.say(f"auth {auth}", auth=auth)
    assert answer.status == status
    assert "test-key" not in answer.body.decode(errors="replace") or status == 422
    requests = stage.vendor.recorder.requests(SPEAK)
    if asked is not None:
        assert [one.header("authorization") for one in requests] == [asked]


async def test_a_wrong_key_gets_nothing_that_was_said_for_the_right_one(stage: Stage) -> None:
    assert (await stage.say("for us alone")).status == 200
    assert (await stage.say("for us alone")).header("x-cache") == "HIT"
    assert (await stage.say("for us alone", auth={"api_key": WRONG})).status == 400


def config(stt: Mapping[str, object], tts: Mapping[str, object]) -> str:
    usual = json.loads(json.dumps(CONFIG))
    usual["stt_config"] |= stt
    usual["tts_config"] |= tts
    return json.dumps(usual)


async def answers_to(stage: Stage, *sent: str, until: str) -> list[dict[str, Any]]:
    """Return what /ws says, up to the first message of a kind."""
    said: list[dict[str, Any]] = []
    async with connect(f"ws://127.0.0.1:{stage.server.port}/ws") as socket, asyncio.timeout(20):
        for frame in sent:
            await socket.send(frame)
        while not said or said[-1]["type"] != until:
            reply = await socket.recv()
            said.append(json.loads(reply) if isinstance(reply, str) else {"type": "audio"})
    return said


HEARD: Mapping[str, Mapping[str, object]] = {
    "mu-law of a phone": {"encoding": "mulaw", "sample_rate": 8_000},
    "the same by another name": {"encoding": "ulaw", "sample_rate": 8_000},
    "a-law": {"encoding": "alaw", "sample_rate": 8_000},
    "pcm": {"encoding": "pcm", "sample_rate": 44_100},
    "stereo": {"channels": 2, "sample_rate": 48_000},
    "opus": {"encoding": "opus", "sample_rate": 48_000},
    "another language": {"language": "de"},
    "no language": {"language": ""},
    "many languages": {"language": "multi"},
    "no model": {"model": ""},
    "without punctuation": {"punctuation": False},
    "a key of one's own": {"auth": {"api_key": OWN}},
}


@pytest.mark.parametrize("name", HEARD)
async def test_a_sound_config_opens_a_stream_that_the_vendor_takes(name: str, stage: Stage) -> None:
    (ready,) = await answers_to(stage, config(HEARD[name], {}), until="ready")
    assert ready["livekit_url"]


REFUSED: Mapping[str, tuple[Mapping[str, object], str]] = {
    "a wrong key": ({"auth": {"api_key": WRONG}}, "STT error: Authentication failed: "),
    "an unknown model": ({"model": "nova-99"}, "STT error: Configuration error: "),
    "an unknown encoding": ({"encoding": "mp3"}, "stt_config.encoding"),
    "no channels": ({"channels": 0}, "stt_config.channels"),
    "no rate": ({"sample_rate": 0}, "stt_config.sample_rate"),
    "a key that ends the header": ({"auth": {"api_key": "a\r\nb: c"}}, "control characters"),
    "half an auth": ({"auth": {"key": OWN}}, "Unsupported auth field(s)"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_config_that_the_vendor_cannot_take_is_refused_with_the_reason(
    name: str, stage: Stage
) -> None:
    change, reason = REFUSED[name]
    (error,) = await answers_to(stage, config(change, {}), until="error")
    assert reason in error["message"]
    assert OWN not in error["message"]
    assert WRONG not in error["message"]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
async def test_a_refused_text_is_told_once_and_the_next_one_is_said(
    status: int, stage: Stage
) -> None:
    stage.vendor.rules.add(Reject(status=status, body="not today"), path=SPEAK, text="never")
    texts = [json.dumps({"type": "speak", "text": text}) for text in (f"never {status}", "ever")]
    said = await answers_to(stage, config({}, {}), *texts, until="tts_playback_complete")
    kinds = [kind for kind, _ in groupby(one["type"] for one in said)]
    assert kinds == ["ready", "error", "audio", "tts_playback_complete"]
    assert f"API error ({status}" in said[1]["message"]
    assert "not today" in said[1]["message"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_text_that_failed_in_passing_is_said_after_all(status: int, stage: Stage) -> None:
    text = f"again {status}"
    stage.vendor.rules.add(Reject(status=status), path=SPEAK, text=text, times=2)
    speak = json.dumps({"type": "speak", "text": text})
    said = await answers_to(stage, config({}, {}), speak, until="tts_playback_complete")
    kinds = [kind for kind, _ in groupby(one["type"] for one in said)]
    assert kinds == ["ready", "audio", "tts_playback_complete"]
    assert stage.said == [text] * 3


FAULTS: Mapping[str, rules.Action] = {
    "refused": rules.Refuse(),
    "busy": Reject(status=503),
    "wrong key": Reject(status=401),
    "truncated": rules.Malformed(),
    "a page": Reject(status=200, body="<html>hello</html>"),
    "a list": Reject(status=200, body="[]"),
    "nothing": Reject(status=200, body=""),
    "no voices": Reject(status=200, body={"tts": 3}),
    "odd voices": Reject(status=200, body={"tts": [1, None, {"canonical_name": 7}, {}]}),
}


async def test_a_vendor_that_fails_is_left_out_of_the_voices_until_it_is_back(
    tmp_path: Path,
) -> None:
    async with open_deepgram() as vendor:
        environment = RECORDING.environments["deepgram"]
        for name, fault in FAULTS.items():
            vendor.rules.add(fault, path=MODELS, times=None)
            async with open_server(environment, tmp_path / name, deepgram=vendor.port) as server:
                stage = Stage(vendor, server)
                without = await stage.ask("GET", "/voices")
                vendor.rules.clear()
                again = await stage.ask("GET", "/voices?flat=true")
            assert without.status == again.status == 200
            assert not without.json.get("deepgram"), name
            if "voices" not in name:  # an empty list is an answer, and answers are remembered
                voices = [one for one in again.json["voices"] if one["provider"] == "deepgram"]
                assert len({one["id"] for one in voices}) == len(voices) > 10, name
                assert {one["gender"] for one in voices} <= {"Female", "Male"}

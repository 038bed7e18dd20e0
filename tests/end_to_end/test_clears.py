"""`clear` at five hundred random instants, word for word and byte for byte.

A client asks for speech, reads some of it, and sends `clear`, a fence and the next text in one
write. The fence is answered in its turn, so what comes before the answer may still be on its way;
behind it there is the next utterance, whole, and nothing else. Inside the server the rule is
stricter: once the `clear` was read, no frame of what it cleared is handed to the socket.
"""

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest

from sayna.api.ws import Connection
from sayna.api.ws_transport import WebSocketTransport
from sayna.providers.tones.provider import TonesProvider
from sayna.providers.tones.synthesizer import TonesSynthesizer
from sayna.settings.tree import Settings
from sayna.speech.options import SynthesizerOptions
from tests.api.raw_socket import BINARY, TEXT, render_frame
from tests.api.served import serve
from tests.end_to_end.crowd import Client, connected, each, fence
from tests.end_to_end.hostile import STT, TTS
from tests.fakes.session import Shelf
from tests.providers.tones.singing import sentences, text_in

pytestmark = pytest.mark.slow

SEED = "clears 1"
RUNS, AT_ONCE = 500, 25
RECEIVE_BUFFER = 4096
"""Bytes: the server cannot run far ahead of a client that reads no further."""
CLEAR = '{"type":"clear"}'
REPEATED = sentences(30, seed=1)
"""Texts that are said again and again, so that some of them come from the cache."""


@dataclass
class Round:
    """What is asked for before a `clear`, or at the very end."""

    texts: list[str]
    instant: float
    """Share of its audio that the client reads before it sends the `clear`."""
    clears: int
    ticks: int
    """Turns of the loop between reading and clearing."""


@dataclass
class Journal:
    """What one connection of the server read and handed over, in order."""

    spoken: list[bytearray] = field(default_factory=lambda: [bytearray()])
    """The audio before the first `clear`, between the first and the second, and so on."""
    fences: list[str] = field(default_factory=list)


@pytest.fixture
def journals(monkeypatch: pytest.MonkeyPatch) -> dict[WebSocketTransport, Journal]:
    """Have every connection of the server write a journal."""
    written: dict[WebSocketTransport, Journal] = defaultdict(Journal)
    take_text, play = Connection.take_text, WebSocketTransport.play

    def note_text(self: Connection, text: str) -> None:
        take_text(self, text)
        journal = written[self._transport]
        if text == CLEAR:
            journal.spoken.append(bytearray())
        elif "fence" in text:
            journal.fences.append(text)

    def note_frame(self: WebSocketTransport, frame: bytes) -> None:
        written[self].spoken[-1] += frame
        play(self, frame)

    monkeypatch.setattr(Connection, "take_text", note_text)
    monkeypatch.setattr(WebSocketTransport, "play", note_frame)
    return written


async def test_nothing_cleared_is_heard_and_the_next_utterance_is_whole(
    journals: dict[WebSocketTransport, Journal],
) -> None:
    cut_short: list[bool] = []
    async with serve() as served:
        tones = TonesProvider(Settings().providers)
        services = served.app.state.services
        served.app.state.services = replace(services, registry=Shelf({"tones": tones}))

        async def run(number: int) -> None:
            chance = random.Random(f"{SEED}-{number}")  # noqa: S311 - the same every time
            rounds = _plan(chance)
            async with connected(served.port, receive_buffer=RECEIVE_BUFFER) as client:
                cut_short.extend(await _play(client, number, rounds))
            await _check_journal(_take(journals, number), rounds)

        await each(range(RUNS), AT_ONCE, run, SEED)
        await served.wait_alone()
    print(f"\n{len(cut_short)} clears, {sum(cut_short)} in mid-speech")  # noqa: T201
    assert sum(cut_short) >= RUNS // 2  # or nothing was tested


def _plan(chance: random.Random) -> list[Round]:
    """Return one to three rounds that are cleared and a last one that is not."""
    rounds = [
        Round(
            texts=[_text(chance) for _ in range(chance.randint(1, 3))],
            instant=chance.choice((0.0, chance.random(), chance.random(), 1.0)),
            clears=chance.choice((1, 1, 1, 2)),
            ticks=chance.choice((0, 1, chance.randrange(30))),
        )
        for _ in range(chance.choice((1, 1, 2, 3)))
    ]
    return [*rounds, Round([_text(chance)], 1.0, 0, 0)]


def _text(chance: random.Random) -> str:
    if chance.random() < 0.4:
        return chance.choice(REPEATED)
    return " ".join(sentences(chance.randint(1, 3), seed=chance.randrange(2**32)))


async def _play(client: Client, number: int, rounds: list[Round]) -> list[bool]:
    """Live through the rounds; return of each clear whether it came in mid-speech."""
    client.say(type="config", stt_config=STT, tts_config={**TTS, "pronunciations": []})
    assert (await client.event())["type"] == "ready"
    cut_short: list[bool] = []
    _ask(client, rounds[0])
    for place, (now, following) in enumerate(pairwise(rounds)):
        whole = await _audio_of(now.texts)
        heard = await _read_some(client, round(len(whole) * now.instant))
        for _ in range(now.ticks):
            await asyncio.sleep(0)
        name = f"{number}/{place}"
        clears = render_frame(TEXT, CLEAR.encode()) * now.clears
        client.send(clears + fence(name))
        _ask(client, following)
        heard += await _read_to_fence(client, name)
        assert whole.startswith(heard), "something else than what was asked for"
        cut_short.append(0 < len(heard) < len(whole))
    whole = await _audio_of(rounds[-1].texts)
    heard = await _read_to_completion(client)
    assert heard == whole, "the next utterance is not whole"
    assert text_in(np.frombuffer(heard, "<i2")) == " ".join(rounds[-1].texts)
    return cut_short


def _ask(client: Client, asked: Round) -> None:
    for text in asked.texts:
        client.say(type="speak", text=text)


async def _read_some(client: Client, size: int) -> bytes:
    heard = b""
    while len(heard) < size:
        got = await client.frame()
        assert got is not None
        assert got.opcode == BINARY, got
        heard += got.payload
    return heard


async def _read_to_fence(client: Client, name: str) -> bytes:
    heard = b""
    while (got := await client.frame()) is not None:
        if got.opcode == BINARY:
            heard += got.payload
        elif f"`fence {name}`".encode() in got.payload:
            return heard
        else:
            assert b"tts_playback_complete" in got.payload, got
    raise AssertionError("the connection has ended")


async def _read_to_completion(client: Client) -> bytes:
    heard = b""
    while (got := await client.frame()) is not None and got.opcode == BINARY:
        heard += got.payload
    assert got is not None
    assert b"tts_playback_complete" in got.payload, got
    return heard


async def _audio_of(texts: list[str]) -> bytes:
    voice = TonesSynthesizer(SynthesizerOptions("tones", sample_rate=8000))
    return b"".join([piece for text in texts async for piece in voice.speak(text)])


def _take(journals: dict[WebSocketTransport, Journal], number: int) -> Journal:
    """Take out the journal of one run."""
    [transport] = [
        transport
        for transport, journal in journals.items()
        if any(f"fence {number}/" in text for text in journal.fences)
    ]
    return journals.pop(transport)


async def _check_journal(journal: Journal, rounds: list[Round]) -> None:
    """Hold that behind each `clear` there are frames of what was asked for behind it only."""
    spoken = iter(journal.spoken)
    for asked in rounds:
        whole, said = await _audio_of(asked.texts), bytes(next(spoken))
        assert whole.startswith(said) if asked.clears else said == whole
        for _ in range(asked.clears - 1):
            assert not next(spoken), "something was said between two clears"
    assert list(spoken) == []

"""Recorded sessions that are about time: a clock turned by hand, the row's script, no network.

What the vendor says goes through Deepgram's wire; what its speech is, through `audio_of`. The
times of a row hold within 60 ms, most of which is the recorded server's small packets waiting.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from typing_extensions import override

from sayna.api.event_messages import render_event
from sayna.api.messages import Config, parse_command
from sayna.providers.deepgram.refusals import refused_request
from sayna.providers.deepgram.stt_wire import DeepgramListenWire
from sayna.session.clock import Clock, pause
from sayna.session.events import SessionEvent
from sayna.session.session import Session, open_session
from sayna.settings.tree import Settings
from sayna.settings.vendors import Providers
from sayna.speech.events import Transcript
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from tests.contract.runner import Row
from tests.contract.test_ws import matches
from tests.contract.vendor_session import (
    CONFIG,
    FENCE_ANSWER,
    named,
    row_of,
    rows,
    vendor_message,
)
from tests.fakes.recorded_deepgram import audio_of, refusal_of
from tests.fakes.scripted import ScriptedProvider, ScriptedSynthesizer
from tests.fakes.session import HandClock, MemoryOutlet, Shelf, settle

STEP_MS = 10
TOLERANCE_MS = 60
AFTERWARDS_MS = 2_500
"""How long a session is held open after the last that was recorded."""


class Told(NamedTuple):
    """Something that the client got."""

    at_ms: int
    message: Mapping[str, Any] | None
    """None: audio."""
    size: int = 0


class TimedOutlet(MemoryOutlet):
    """One that looks at the clock."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self.clock = clock
        self.began_s = 0.0
        self.told: list[Told] = []

    @override
    def tell(self, event: SessionEvent) -> None:
        super().tell(event)
        self.told.append(Told(self._now_ms(), json.loads(render_event(event))))

    @override
    def play(self, frame: bytes) -> None:
        super().play(frame)
        self.told.append(Told(self._now_ms(), None, len(frame)))

    def _now_ms(self) -> int:
        return round((self.clock.now() - self.began_s) * 1000)


class RecordedVoice(ScriptedSynthesizer):
    """Says what the recorded vendor said, by the session's clock."""

    def __init__(
        self, provider: ScriptedProvider, options: SynthesizerOptions, clock: Clock
    ) -> None:
        super().__init__(provider, options)
        self._clock = clock

    @override
    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        if found := re.fullmatch(r"E(\d{3})", text):
            raise refused_request(int(found[1]), {}, json.dumps(refusal_of(found[1])))
        pieces, gap_s, _ = audio_of(text)
        for piece in pieces:
            yield piece
            if gap_s:
                await pause(self._clock, gap_s)


class RecordedProvider(ScriptedProvider):
    """Deepgram without its network."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("deepgram")
        self._clock = clock

    @override
    @asynccontextmanager
    async def open_synthesizer(
        self, options: SynthesizerOptions
    ) -> AsyncGenerator[ScriptedSynthesizer, None]:
        yield RecordedVoice(self, options, self._clock)


class Act:
    """A row on its way."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.outlet = TimedOutlet(self.clock)
        self.provider = RecordedProvider(self.clock)
        options = RecognizerOptions("deepgram", model="nova-3", credentials={"api_key": "k"})
        self.wire = DeepgramListenWire(options, "ws://127.0.0.1:1")
        self.now_ms = 0

    async def play(self, session: Session, script: Sequence[Any], until_ms: int) -> None:
        """Follow the script, and let time pass until all has come that may come."""
        for at_ms, who, what in script:
            await self.advance_to(at_ms)
            self._do(session, who, what)
            await settle()
        await self.advance_to(until_ms)

    async def advance_to(self, at_ms: int) -> None:
        await settle()
        while self.now_ms < at_ms:
            self.now_ms += min(STEP_MS, at_ms - self.now_ms)
            self.clock.advance(self.outlet.began_s + self.now_ms / 1000 - self.clock.now())
            await settle()

    def _do(self, session: Session, who: str, what: Mapping[str, Any]) -> None:
        match who, what:
            case "vendor", _:
                for event in self.wire.decode(json.dumps(vendor_message(what))):
                    assert isinstance(event, Transcript)
                    self.provider.recognizers[0].emit(event)
            case "client", {"type": "speak", "text": text}:
                allowed = what.get("allow_interruption", True)
                session.speak(text, allow_interruption=allowed)
            case "client", {"type": "clear"}:
                session.clear_now()
                session.answer_clear()
            case "client", {"type": "send_message"}:
                session.send_message()
            case _:
                raise ValueError(f"nobody does {who}: {what}")


async def perform(row: Row) -> Sequence[Told]:
    """Return what the client gets of a row's session."""
    act = Act()
    config = json.loads(json.dumps(CONFIG))
    for name, change in row.get("config_change", {}).items():
        config[name] |= change
    command = parse_command(json.dumps(config))
    assert isinstance(command, Config)
    settings = Settings(providers=Providers.model_validate({"deepgram_api_key": "test-key"}))
    last_ms = max(
        [0, *(one["at_ms"] for one in row["client_got"]), *(at for at, *_ in row["script"])]
    )
    async with (
        asyncio.timeout(30),
        open_session(
            outlet=act.outlet,
            providers=Shelf({"deepgram": act.provider}),
            settings=settings,
            clock=act.clock,
        ) as session,
    ):
        await session.configure(command.to_request())
        assert act.outlet.told.pop().message
        act.outlet.began_s = act.clock.now()
        await act.play(session, row["script"], int(last_ms) + AFTERWARDS_MS)
    return list(act.outlet.told)


def texts(told: Sequence[Told]) -> list[tuple[int, Mapping[str, Any]]]:
    return [(one.at_ms, one.message) for one in told if one.message is not None]


def recorded(row: Row) -> list[tuple[int, Mapping[str, Any]]]:
    """Return when the client got which message."""
    return [
        (one["at_ms"], json.loads(one["text"].replace("<ms>", "0")))
        for one in row["client_got"]
        if "text" in one
    ]


def recorded_sizes(row: Row) -> list[int]:
    """Return the sizes of the frames that the client got."""
    sizes: list[int] = []
    for one in row["client_got"]:
        for size in one.get("binary", ()):
            width, _, times = str(size).partition(" x")
            sizes += [int(width)] * int(times or 1)
    return sizes


IN_WORDS: Mapping[str, Sequence[tuple[int, str, str]]] = {
    "timing.empty-interim": [],
    "timing.interims-after-final": [
        (0, "a", "final"),
        (500, "b", "interim"),
        (1000, "b c", "interim"),
        (1500, "b c d", "interim"),
        (3300, "", "forced"),
    ],
    "timing.final-then-interim-late": [
        (0, "a", "final"),
        (1700, "b", "interim"),
        (3500, "", "forced"),
    ],
    "timing.dup-multi-segment": [
        (0, "a", "final"),
        (200, "b", "final"),
        (2000, "", "forced"),
    ],
    "timing.hard-limit": [
        *((at, f"w{at}", "final") for at in range(0, 7000, 1000)),
        (7800, "", "forced"),
    ],
    "timing.hard-then-again": [
        (0, "a", "final"),
        (1500, "b", "final"),
        (3000, "c", "final"),
        (4500, "d", "final"),
        (5200, "e", "final"),
        (7000, "", "forced"),
    ],
    "protected.protected-then-allowed": [(1000, "through", "speech-final")],
    "protected.protected-mulaw-length": [
        (1000, "t300", "speech-final"),
        (1000, "t600", "speech-final"),
        (1100, "t1100", "speech-final"),
    ],
    "protected.protected-fails": [(500, "x", "speech-final"), (1500, "y", "speech-final")],
    "protected.protected-empty": [
        (200, "lost", "speech-final"),
        (2000, "lost too", "speech-final"),
        (2300, "back", "speech-final"),
    ],
}
"""What is heard, and when, in rows that are to end otherwise than they were recorded."""

DROPPED = "timing.vendor-drop-after-final"
"""Needs a network: `test_deepgram_losses`."""
ROWS = [row for row in rows("timing", "protected") if row["id"] != DROPPED]


def kind_of(message: Mapping[str, Any]) -> str:
    if message["is_speech_final"]:
        return "forced" if message["confidence"] == 1.0 else "speech-final"
    return "final" if message["is_final"] else "interim"


def heard(told: Sequence[Told]) -> list[tuple[int, str, str]]:
    return [
        (at_ms, message["transcript"], kind_of(message))
        for at_ms, message in texts(told)
        if message["type"] == "stt_result"
    ]


@pytest.mark.parametrize("row", [row for row in ROWS if row["ours"] == "same"], ids=named)
async def test_the_same_comes_when_it_was_recorded_to_come(row: Row) -> None:
    told = await perform(row)
    ours, wanted = texts(told), recorded(row)
    assert [message["type"] for _, message in ours] == [each["type"] for _, each in wanted]
    for (our_ms, message), (at_ms, recording) in zip(ours, wanted, strict=True):
        assert matches({**recording, "timestamp": 0}, {**message, "timestamp": 0})
        assert abs(our_ms - at_ms) <= TOLERANCE_MS, (message, our_ms, at_ms)
    assert [one.size for one in told if one.message is None] == recorded_sizes(row)


@pytest.mark.parametrize("row", [row for row in ROWS if row["ours"] != "same"], ids=named)
async def test_what_is_heard_comes_when_it_should(row: Row) -> None:
    told = await perform(row)
    assert heard(told) == IN_WORDS[row["id"]]
    others = [message["type"] for _, message in texts(told) if message["type"] != "stt_result"]
    expected = [each["type"] for _, each in recorded(row) if each["type"] != "stt_result"]
    assert others == expected
    assert [one.size for one in told if one.message is None] == recorded_sizes(row)


async def test_a_clear_holds_nobody_up() -> None:
    told = await perform(row_of("tts.clear-stall"))
    assert [(at_ms, message["message"]) for at_ms, message in texts(told)] == [(0, FENCE_ANSWER)]


async def test_a_text_that_fails_is_told_before_the_next_one_comes() -> None:
    row = row_of("cache.error-not-cached-1")
    ours = [{**message, "timestamp": 0} for _, message in texts(await perform(row))]
    assert ours == [{**message, "timestamp": 0} for _, message in recorded(row)]


def test_every_row_that_is_told_in_words_is_one() -> None:
    assert {row["id"] for row in ROWS if row["ours"] != "same"} == set(IN_WORDS)

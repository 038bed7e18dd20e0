"""Every fault of `tones` at every place, in both positions: the session lives, no word is lost.

The session's clock is turned by hand, 20 ms at a time, and is the clock of every fault too; only
the limits for closing and opening are those of the loop, and cut short here.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest
from typing_extensions import override

from sayna.providers.tones.demodulator import RATE_HZ
from sayna.providers.tones.faults import (
    HANG_MS,
    STALL_LIMIT_S,
    Fault,
    FaultLedger,
    FaultPlan,
    Kind,
)
from sayna.providers.tones.provider import TonesProvider
from sayna.session import making, opening, revival
from sayna.session.clock import pause
from sayna.session.opening import SessionRequest, SttRequest, TtsRequest
from sayna.session.session import Session, open_session
from sayna.settings.tree import Settings
from sayna.settings.vendors import Providers
from sayna.speech.events import Transcript
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import Recognizer
from sayna.turns.open_turn import TurnEnd
from tests.fakes.session import HandClock, MemoryOutlet, Shelf, settle, until
from tests.providers.tones.singing import LISTENING, silence, sing, text_in

DEAD_AIR_S = 1.5
STEP_S = 0.02
SILENT = {Kind.STALL, Kind.HALF_OPEN}
FAULTS = ("stall", "stall:1500ms", "half-open", "drop", "reset", "status:503", "garbage")
SENTENCES = ("one two", "three four", "five six", "seven eight")
TEXTS = ("one two three", "four five six", "seven eight nine")


class Witness(FaultLedger):
    """Remembers when which fault happened."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self._clock = clock
        self.seen: list[tuple[float, Fault]] = []

    @override
    def plan(self, side: str, model: str) -> FaultPlan:
        plan = super().plan(side, model)
        happens = plan.happens

        def watched(fault: Fault) -> bool:
            if it_does := happens(fault):
                self.seen.append((self._clock.now(), fault))
            return it_does

        plan.happens = watched  # type: ignore[method-assign]
        return plan


class Outlet(MemoryOutlet):
    """Remembers when audio came."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self._clock = clock
        self.times: list[float] = []

    @override
    def play(self, frame: bytes) -> None:
        self.times.append(self._clock.now())
        super().play(frame)


class Stage:
    """A session on `tones`, with faults on one side."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.outlet = Outlet(self.clock)
        self.provider = TonesProvider(Providers(), self._sleep)
        self.provider._ledger = self.witness = Witness(self.clock)
        self.opened: list[float] = []
        self.slept_s = 0.0
        self.hanging = 0
        self.session: Session
        plain = self.provider.open_recognizer

        @asynccontextmanager
        async def noted(options: RecognizerOptions) -> AsyncGenerator[Recognizer, None]:
            async with plain(options) as recognizer:
                self.opened.append(self.clock.now())
                yield recognizer

        self.provider.open_recognizer = noted  # type: ignore[method-assign]

    async def _sleep(self, seconds: float) -> None:
        """Take time by the session's clock; what should hang does, until somebody ends it."""
        if seconds < HANG_MS / 1000:
            await pause(self.clock, seconds)
            self.slept_s += seconds  # of what nobody cut short: the engine's own time
            return
        self.hanging += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.hanging -= 1

    @asynccontextmanager
    async def open(self) -> AsyncGenerator["Stage", None]:
        async with (
            asyncio.timeout(60),
            open_session(
                outlet=self.outlet,
                providers=Shelf({"tones": self.provider}),
                settings=Settings(),
                clock=self.clock,
            ) as self.session,
        ):
            yield self

    async def configure(self, stt: str = "", tts: str = "") -> None:
        await self.session.configure(
            SessionRequest(
                stt=SttRequest(replace(LISTENING, model=stt)),
                tts=TtsRequest(
                    SynthesizerOptions("tones", tts, sample_rate=RATE_HZ, request_timeout_s=30.0)
                ),
            )
        )

    async def step(self) -> None:
        await settle()
        if self.hanging:  # the limit for it is one of the loop
            await until(lambda: not self.hanging)
            await settle()
        self.clock.advance(STEP_S)
        await settle()

    async def step_until(self, condition: Callable[[], bool], longest_s: float = 30.0) -> None:
        end = self.clock.now() + longest_s
        while not condition():
            assert self.clock.now() < end
            await self.step()

    async def sing_to(self, text: str, pause_ms: float) -> None:
        """Let the session hear a text at the speed at which it is sung."""
        sung = [sing(text)] if text else []
        audio = np.concatenate([*sung, silence(pause_ms)]).astype("<i2").tobytes()
        size = round(RATE_HZ * STEP_S) * 2
        for at in range(0, len(audio), size):
            self.session.hear(audio[at : at + size])
            await self.step()

    async def listen_to_the_end(self) -> None:
        self.session.finish_listening()
        over = asyncio.ensure_future(self.session.wait_heard())
        await self.step_until(over.done)

    async def say(self, *texts: str) -> str:
        """Return what could be heard of these texts."""
        before = len(self.outlet.frames)
        for text in texts:
            self.session.speak(text, allow_interruption=True)
        idle = asyncio.ensure_future(self.session.wait_spoken())
        await self.step_until(idle.done)
        audio = b"".join(self.outlet.frames[before:])
        return text_in(np.frombuffer(audio, "<i2").astype(np.int16))

    @property
    def finals(self) -> str:
        told = self.outlet.events
        events = [one.result if isinstance(one, TurnEnd) else one for one in told]
        said = [one.text for one in events if isinstance(one, Transcript) and one.is_final]
        return " ".join(text for text in said if text)

    def dead_air(self, alive_again: list[float]) -> list[float]:
        """Return, for each fault, how long we took from when it could be seen, s."""
        return [
            min(at for at in alive_again if at >= happened)
            - (happened + (STALL_LIMIT_S if fault.kind in SILENT else 0.0))
            - self.slept_s
            for happened, fault in self.witness.seen
            if fault.kind not in {Kind.HANG_ON_CLOSE, Kind.SLOW_FIRST_BYTE, Kind.ODD_CHUNKS}
        ]


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less for what hangs: these limits are the loop's, not the session's clock's."""
    for module, limit in (
        (opening, "CLOSING_LIMIT_S"),
        (revival, "CLOSING_LIMIT_S"),
        (revival, "BURYING_LIMIT_S"),
        (making, "CLOSING_LIMIT_S"),
    ):
        monkeypatch.setattr(module, limit, 0.02)


LISTENING_MODELS = [
    *(
        f"{before}{fault}@{place}*1"
        for fault in FAULTS
        for before, place in (
            ("", "0w"),
            ("", "10ms"),
            ("", "1w"),
            ("", "3w"),
            ("", "5w"),
            ("", "end"),
            ("drop@1w*1+", "1w"),
        )
    ),
    *(f"drop@1w*1+{fault}@open/2*1" for fault in FAULTS if fault != "stall:1500ms"),
    "drop@1w*1+stall:500ms@open/2*1",
    "slow-first-byte:800ms",
    "slow-first-byte:1200ms",
    "drop@1w*1+slow-first-byte:600ms",
    "odd-chunks",
    "odd-chunks@3w",
    "drop@3w*1+odd-chunks",
    "hang-on-close",
    "drop@1w*1+hang-on-close",
    "stall@3w*1+hang-on-close",
    "half-open@5w*1+hang-on-close",
]


@pytest.mark.slow
@pytest.mark.parametrize("model", LISTENING_MODELS)
async def test_no_fault_of_a_recognizer_costs_a_word_or_the_session(
    monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    stage = Stage()
    if "half-open@open" in model or "stall@open" in model:
        monkeypatch.setattr(revival, "REOPENING_LIMIT_S", 0.02)
    async with stage.open():
        await stage.configure(stt=model)
        for sentence in SENTENCES[:-1]:
            await stage.sing_to(sentence, 500)
        await stage.sing_to(SENTENCES[-1], 0)
        await stage.listen_to_the_end()
        assert stage.finals == " ".join(SENTENCES)
        assert await stage.say("still here") == "still here"
    assert stage.witness.seen
    outages = [fault for _, fault in stage.witness.seen if fault.kind in LOUD | SILENT]
    assert len(stage.outlet.problems) <= min(1, len(outages))
    assert all(wait_s <= DEAD_AIR_S for wait_s in stage.dead_air(stage.opened))


LOUD = {Kind.DROP, Kind.RESET, Kind.STATUS, Kind.GARBAGE}


@pytest.mark.slow
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "stall:1500ms"])
async def test_a_recognizer_that_fails_on_every_second_opening_is_one_outage_each_time(
    fault: str,
) -> None:
    stage, model = Stage(), f"drop@2w+{fault}@open/2"
    if fault in {"stall", "half-open"}:
        model = model.replace(fault, "stall:300ms")  # a vendor that takes its time to open
    async with stage.open():
        await stage.configure(stt=model)
        for number in range(6):
            await stage.sing_to(f"only{number}", 700)
        await stage.listen_to_the_end()
        assert stage.finals == " ".join(f"only{number}" for number in range(6))
    drops = [at for at, each in stage.witness.seen if each.kind is Kind.DROP and each.place]
    assert drops
    assert len(stage.outlet.problems) <= len(drops)
    assert all(wait_s <= DEAD_AIR_S for wait_s in stage.dead_air(stage.opened))


def prefixes_of(heard: str) -> list[int]:
    """Return how many words of each text were heard; nothing else may have been."""
    words, counts = heard.split(), list[int]()
    for text in TEXTS:
        expected = text.split()
        fits = [count for count in range(4) if words[:count] == expected[:count]]
        counts.append(fits[-1])
        del words[: fits[-1]]
    assert words == []
    return counts


PLACES = {"0w": 0, "1w": 1, "2w": 2, "100ms": 0, "end": 3}


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_fault_of_a_voice_costs_more_than_the_rest_of_its_utterance(
    fault: str, place: str, number: int
) -> None:
    stage = Stage()
    async with stage.open():
        await stage.configure(tts=f"{fault}@{place}/{number}*1")
        counts = prefixes_of(await stage.say(*TEXTS))
        assert len(stage.witness.seen) == 1
        if fault == "half-open":  # a connection that two utterances may share
            assert sum(count < 3 for count in counts) <= 2
        elif place == "0w" and fault != "garbage":
            assert counts == [3, 3, 3]
            assert stage.outlet.problems == []
        else:
            del counts[number - 1]
            assert counts == [3, 3]
            assert len(stage.outlet.problems) == 1
        assert len(stage.outlet.problems) <= 1
        assert stage.outlet.completions == 1
        assert await stage.say("still here") == "still here"
    assert all(wait_s <= DEAD_AIR_S for wait_s in stage.dead_air(stage.outlet.times))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", ["0w", "1w", "end"])
async def test_a_text_in_pieces_is_whole_or_told_too(fault: str, place: str) -> None:
    stage = Stage()
    async with stage.open():
        await stage.configure(tts=f"{fault}@{place}*1")
        for piece in ("one ", "tw", "o thr"):
            stage.session.speak(piece, allow_interruption=True, flush=False)
            await stage.step()
        for _ in range(round(2 * STALL_LIMIT_S / STEP_S)):
            await stage.step()  # the engine waits for us: nothing is wrong with it
        stage.session.speak("ee", allow_interruption=True)
        await stage.say()
        heard = text_in(np.frombuffer(b"".join(stage.outlet.frames), "<i2").astype(np.int16))
        whole = place == "0w" and fault != "garbage"
        assert heard.split() == ["one", "two", "three"][: 3 if whole else PLACES[place]]
        assert len(stage.outlet.problems) == (not whole)
        assert stage.outlet.completions == 1
        assert await stage.say("still here") == "still here"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", PLACES)
async def test_a_voice_that_breaks_has_said_what_came_before(fault: str, place: str) -> None:
    stage = Stage()
    async with stage.open():
        await stage.configure(tts=f"{fault}@{place}*1")
        heard = (await stage.say(TEXTS[0])).split()
        retried = place == "0w" and fault != "garbage"
        assert heard == TEXTS[0].split()[: 3 if retried else PLACES[place]]
        assert len(stage.outlet.problems) == (not retried)


@pytest.mark.parametrize(
    "model",
    ["slow-first-byte:800ms", "odd-chunks", "odd-chunks@1w", "hang-on-close", "stall:900ms@1w"],
)
async def test_what_only_bothers_a_voice_costs_nothing(model: str) -> None:
    stage = Stage()
    async with stage.open():
        await stage.configure(tts=model)
        assert await stage.say(*TEXTS) == " ".join(TEXTS)
    assert stage.outlet.problems == []


@pytest.mark.parametrize("fault", ["stall", "half-open"])
async def test_a_voice_that_stalls_on_every_attempt_is_one_error_for_each_text_and_lives_again(
    fault: str,
) -> None:
    stage = Stage()
    async with stage.open():
        await stage.configure(tts=f"{fault}*6")
        assert await stage.say(*TEXTS) == TEXTS[2]
        assert stage.outlet.problems == 2 * ["TTS error: Timeout error: no audio came for 1 s"]


@pytest.mark.parametrize("side", ["stt", "tts"])
@pytest.mark.parametrize("fault", ["drop", "reset", "status:503", "garbage"])
async def test_an_engine_that_fails_to_open_is_one_error_and_the_next_config_is_good(
    fault: str, side: str
) -> None:
    stage, model = Stage(), f"{fault}@open*1"
    async with stage.open():
        stt, tts = (model, "") if side == "stt" else ("", model)
        await stage.configure(stt, tts)
        assert len(stage.outlet.problems) == 1
        await stage.configure(stt, tts)
        await stage.sing_to("well then", 900)
        assert stage.finals == "well then"
        assert await stage.say("still here") == "still here"
    assert len(stage.outlet.problems) == 1


async def test_a_hundred_texts_that_fail_alike_are_one_error_a_second() -> None:
    stage = Stage()
    async with stage.open():
        await stage.configure(tts="garbage*100")
        for _ in range(100):
            stage.session.speak("word", allow_interruption=True)
        await settle()
        idle = asyncio.ensure_future(stage.session.wait_spoken())
        while not idle.done():
            await settle()
        assert len(stage.outlet.problems) == 1
        stage.clock.advance(1.0)
        assert await stage.say("still here") == "still here"


@pytest.mark.parametrize("model", ["drop@1w*1", "half-open@1w*1", "reset@3w*1", "drop@1w*2"])
async def test_a_recognizer_that_dies_under_protected_speech_tells_all_when_it_is_over(
    model: str,
) -> None:
    stage = Stage()
    async with stage.open():
        await stage.configure(stt=model)
        stage.session.speak(" ".join(12 * ["protected"]), allow_interruption=False)
        await stage.step_until(lambda: stage.outlet.completions == 1)
        for sentence in SENTENCES[:2]:
            await stage.sing_to(sentence, 500)
        await stage.sing_to("", 900)
        assert stage.witness.seen
        assert stage.finals == ""
        await stage.step_until(lambda: bool(stage.finals))
        assert stage.finals == " ".join(SENTENCES[:2])
        await stage.sing_to(SENTENCES[2], 900)
    assert stage.finals == " ".join(SENTENCES[:3])
    assert len(stage.outlet.problems) == 1


ENDS = {
    "while both engines hang on closing": ("hang-on-close", "hang-on-close"),
    "while an utterance stalls": ("", "stall@1w+hang-on-close"),
    "while the recognizer is gone": ("half-open@1w+hang-on-close", ""),
    "while the recognizer is opened again": ("drop@1w*1+half-open@open/2+hang-on-close", ""),
}


@pytest.mark.parametrize("models", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("cancelled", [False, True], ids=["closed", "cancelled"])
async def test_a_teardown_is_bounded_and_leaves_no_task(
    models: tuple[str, str], cancelled: bool
) -> None:
    before = asyncio.all_tasks()
    stage, talked = Stage(), asyncio.Event()

    async def converse() -> None:
        async with stage.open():
            await stage.configure(*models)
            stage.session.speak("one two", allow_interruption=False)
            stage.session.hear(sing("some words").astype("<i2").tobytes())
            await settle()
            stage.clock.advance(0.2)
            await settle()
            talked.set()
            if cancelled:
                await asyncio.Event().wait()

    conversing = asyncio.ensure_future(converse())
    async with asyncio.timeout(20):
        await talked.wait()
        if cancelled:
            conversing.cancel()
        await asyncio.wait([conversing])
    assert conversing.cancelled() is cancelled
    assert stage.hanging == 0
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("models", [("half-open@open", ""), ("", "half-open@open")])
async def test_a_teardown_while_a_config_runs_is_bounded_and_leaves_no_task(
    models: tuple[str, str],
) -> None:
    before = asyncio.all_tasks()
    stage = Stage()

    async def converse() -> None:
        async with stage.open():
            await stage.configure(*models)

    conversing = asyncio.ensure_future(converse())
    async with asyncio.timeout(20):
        await until(lambda: stage.hanging)
        conversing.cancel()
        await asyncio.wait([conversing])
    assert conversing.cancelled()
    assert stage.hanging == 0
    assert asyncio.all_tasks() == before

"""What a session says, whatever its client and its engine do in whatever order.

Every word is another one and sounds for one frame, so what was played tells which words were said.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from typing_extensions import override

from sayna.errors import NetworkFailed, ProviderError
from sayna.session.events import PlaybackComplete, RepeatLimit
from sayna.session.protection import Protection
from sayna.session.speaking import Speaking, SpeakingLimits
from sayna.speech.pronunciation import Pronouncer
from sayna.speech.protocols import AudioFormat
from tests.fakes.session import HandClock, MemoryOutlet, settle

FRAME_BYTES = 320
LIMITS = SpeakingLimits(
    max_text_chars=10_000, max_queued=4, request_timeout_s=1e9, open_timeout_s=30.0
)


class Engine:
    """Says words when it may, fails at words when it should, and knows how much it has to do."""

    audio_format = AudioFormat("linear16", 16_000)

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.fatal: set[str] = set()
        self.passing: set[str] = set()  # each only once, and never behind audio
        self.at_work = 0
        self.most_at_work = 0

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        self._begin()
        try:
            for at, word in enumerate(text.split()):
                yield await self._say(word, is_first=at == 0)
        finally:
            self.at_work -= 1

    def _begin(self) -> None:
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)

    async def _say(self, word: str, *, is_first: bool) -> bytes:
        await asyncio.sleep(0)
        await self.may_go_on.wait()
        if is_first and word in self.passing:
            self.passing.remove(word)
            raise NetworkFailed("the line was dead", retryable=True)
        if word in self.fatal:
            raise NetworkFailed("the line is dead", retryable=True)
        return sound_of(int(word.strip(".")))


class StreamingEngine(Engine):
    """Takes pieces, and says each word once a blank or the end follows it."""

    async def speak_stream(self, texts: AsyncIterator[str]) -> AsyncGenerator[bytes, None]:
        self._begin()
        try:
            begun, is_first = "", True
            async for piece in texts:
                *words, begun = (begun + piece).split(" ")
                for word in filter(None, words):
                    yield await self._say(word, is_first=is_first)
                    is_first = False
            if begun:
                yield await self._say(begun, is_first=is_first)
        finally:
            self.at_work -= 1


@dataclass
class Asked:
    """One utterance as it was asked for."""

    protected: bool
    words: list[int] = field(default_factory=list[int])
    fails: bool = False
    cleared: bool = False


def sound_of(word: int) -> bytes:
    return word.to_bytes(2, "little") * (FRAME_BYTES // 2)


class SpeakingMachine(RuleBasedStateMachine):
    """Does anything in any order; what must always hold is checked after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.outlet = MemoryOutlet()
        self.clock = HandClock()
        self.protection = Protection()
        self.asked: list[Asked] = []
        self.open: Asked | None = None
        self.words = 0
        self.silent: set[int] = set()  # words of which no frame may follow
        self.seen = 0  # frames that were looked at

    @initialize(streams=st.booleans())
    def begin(self, streams: bool) -> None:
        self.engine = StreamingEngine() if streams else Engine()
        self.speaking = Speaking(
            self.engine,
            self.outlet,
            self.protection,
            Pronouncer([]),
            LIMITS,
            self.clock,
            RepeatLimit(self.clock, 1.0),
        )
        self.running = self.loop.create_task(self.speaking.run())
        self.run(settle())

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(work)

    @rule(
        sizes=st.lists(st.integers(1, 3), min_size=1, max_size=3),
        protected=st.booleans(),
        flush=st.booleans(),
        piece_chars=st.integers(1, 9),
        fault=st.sampled_from(["none", "none", "none", "passing", "fatal"]),
    )
    def speak(
        self, sizes: list[int], protected: bool, flush: bool, piece_chars: int, fault: str
    ) -> None:
        """Say sentences of so many words: whole, or as pieces."""
        if self.speaking.open_protection is None:
            self.open = None
        utterance = self.open or Asked(protected)
        words = [self.words + number for number in range(sum(sizes))]
        self.words += len(words)
        text, at = "", 0
        for size in sizes:
            text += " ".join(map(str, words[at : at + size])) + ". "
            at += size
        spelled = text.split()
        if fault == "passing":
            self.engine.passing.add(spelled[0])
        elif fault == "fatal":
            self.engine.fatal.add(spelled[-1])
        pieces = (
            [text]
            if flush
            else [text[start : start + piece_chars] for start in range(0, len(text), piece_chars)]
        )
        try:
            for piece in pieces:
                self.speaking.speak(piece, allow_interruption=not protected, flush=flush)
        except ProviderError:  # too many wait
            utterance.fails = True
            assert utterance is not self.open
            if not flush:
                self.asked.append(utterance)
        else:
            if utterance is not self.open:
                self.asked.append(utterance)
            utterance.fails |= fault == "fatal"
            utterance.words += words
        self.open = None if flush else utterance

    @rule()
    def flush(self) -> None:
        self.speaking.speak("", allow_interruption=True)
        self.open = None

    @rule()
    def clear(self) -> None:
        if not self.speaking.clear():
            return
        for utterance in self.asked:
            if not utterance.protected or utterance.fails:
                utterance.cleared = True
                if not utterance.protected:
                    self.silent.update(utterance.words)

    @rule()
    def stop_reading(self) -> None:
        self.outlet.block()

    @rule()
    def read_again(self) -> None:
        self.outlet.unblock()

    @rule()
    def hold_the_engine(self) -> None:
        self.engine.may_go_on.clear()

    @rule()
    def let_the_engine_go_on(self) -> None:
        self.engine.may_go_on.set()

    @rule(seconds=st.sampled_from([0.01, 0.2, 1.0, 31.0]))
    def let_time_pass(self, seconds: float) -> None:
        async def advance() -> None:
            self.clock.advance(seconds)

        self.run(advance())

    @rule(turns=st.integers(1, 40))
    def let_others_run(self, turns: int) -> None:
        async def yield_often() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.run(yield_often())

    @rule()
    def wait_until_all_is_said(self) -> None:
        self.outlet.unblock()
        self.engine.may_go_on.set()
        self.run(self._wait_until_all_is_said())
        played = set(self.played)
        for utterance in self.asked:
            if not utterance.cleared and not utterance.fails:
                assert played.issuperset(utterance.words)
        if self.asked and self.asked[-1].words and not self.asked[-1].cleared:
            assert isinstance(self.outlet.sent[-1], PlaybackComplete)
        self.every_word_is_said_once_in_order_and_none_that_was_cleared()
        self.silent.update(range(self.words))
        assert self.engine.at_work == 0

    async def _wait_until_all_is_said(self) -> None:
        waiting = asyncio.ensure_future(self.speaking.wait_idle())
        for _ in range(200):
            await settle()
            if waiting.done():
                break
            self.clock.advance(1.0)
        else:
            raise AssertionError("it never ends")
        await waiting

    @property
    def played(self) -> list[int]:
        frames = self.outlet.frames
        assert all(len(frame) == FRAME_BYTES for frame in frames)
        return [int.from_bytes(frame[:2], "little") for frame in frames]

    @invariant()
    def every_word_is_said_once_in_order_and_none_that_was_cleared(self) -> None:
        played = self.played
        assert played == sorted(set(played))
        assert not self.silent.intersection(played[self.seen :])
        self.seen = len(played)

    @invariant()
    def what_is_said_of_an_utterance_is_its_beginning(self) -> None:
        played = set(self.played)
        for utterance in self.asked:
            said = [word in played for word in utterance.words]
            assert said == sorted(said, reverse=True)

    @invariant()
    def completions_and_problems_have_a_reason_each(self) -> None:
        assert self.outlet.completions <= len(self.asked)
        assert len(self.outlet.problems) <= sum(one.fails for one in self.asked)

    @override
    def teardown(self) -> None:
        if not hasattr(self, "running"):
            self.loop.close()
            return
        try:
            self.wait_until_all_is_said()
            assert self.engine.most_at_work <= 2
            self.let_time_pass(self.words * 0.01 + 0.001)
            assert not self.protection.blocks(self.clock.now())
        finally:
            self.run(self._end())
            self.loop.close()

    async def _end(self) -> None:
        self.running.cancel()
        await asyncio.wait([self.running])
        self.clock.advance(100.0)
        assert self.engine.at_work == 0


SpeakingMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
)
TestSpeaking = SpeakingMachine.TestCase

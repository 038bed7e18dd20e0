import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from sayna.errors import AudioRejected, NetworkFailed
from sayna.session.events import Problem, RepeatLimit
from sayna.session.listening import MAX_HELD, Listening
from sayna.session.protection import Protection
from sayna.speech.events import RecognizerFault, Transcript
from sayna.speech.options import RecognizerOptions
from sayna.turns.open_turn import OpenTurn, TurnEnd, TurnLimits
from tests.fakes.scripted import ScriptedRecognizer
from tests.fakes.session import HandClock, MemoryOutlet, settle

INTERIM = Transcript("what ti", confidence=0.4)
FINAL = Transcript("what time is it", is_final=True, is_speech_final=True, confidence=0.9)
END = TurnEnd(FINAL, "what time is it")


class Ears:
    """A `Listening` with everything around it."""

    def __init__(self, *, encoding: str = "linear16", drop_while_protected: bool = False) -> None:
        self.recognizer = ScriptedRecognizer(RecognizerOptions("scripted", encoding=encoding), ())
        self.outlet = MemoryOutlet()
        self.clock = HandClock()
        self.protection = Protection()
        self.listening = Listening(
            self.recognizer,
            self.outlet,
            self.protection,
            self.clock,
            RepeatLimit(self.clock, 1.0),
            OpenTurn(TurnLimits()),
            encoding=encoding,
            drop_while_protected=drop_while_protected,
        )

    @asynccontextmanager
    async def following(self) -> AsyncGenerator["Ears", None]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.listening.follow())
            yield self
            task.cancel()

    def protect(self, seconds: float) -> None:
        self.protection.hand_over(self.clock.now(), seconds, protected=True)
        self.protection.finish()


async def test_audio_reaches_the_recognizer_byte_for_byte_and_in_order() -> None:
    ears = Ears()
    ears.listening.hear(b"\x01\x02")
    ears.listening.hear(b"\x03\x04\x05\x06")
    assert ears.recognizer.audio == b"\x01\x02\x03\x04\x05\x06"


async def test_empty_audio_is_dropped() -> None:
    ears = Ears()
    ears.listening.hear(b"")
    assert not ears.recognizer.heard_audio.is_set()


async def test_half_a_sample_waits_for_its_other_half() -> None:
    ears = Ears()
    ears.listening.hear(b"\x01\x02\x03")
    assert ears.recognizer.audio == b"\x01\x02"
    ears.listening.hear(b"\x04")
    assert ears.recognizer.audio == b"\x01\x02\x03\x04"
    ears.listening.hear(b"\x05")
    assert ears.recognizer.audio == b"\x01\x02\x03\x04"


async def test_one_byte_is_a_whole_sample_of_mulaw() -> None:
    ears = Ears(encoding="mulaw")
    ears.listening.hear(b"\x01")
    assert ears.recognizer.audio == b"\x01"


async def test_results_are_told_unchanged_and_in_order() -> None:
    async with Ears().following() as ears:
        ears.recognizer.emit(INTERIM)
        ears.recognizer.emit(FINAL)
        await ears.outlet.wait_for(2)
    assert ears.outlet.sent == [INTERIM, END]


async def test_a_final_that_says_and_ends_nothing_is_dropped() -> None:
    async with Ears().following() as ears:
        ears.recognizer.emit(Transcript(" ", is_final=True))
        ears.recognizer.emit(Transcript("", is_final=True, is_speech_final=True))
        await ears.outlet.wait_for(1)
    assert ears.outlet.sent == [TurnEnd(Transcript("", is_final=True, is_speech_final=True), "")]


async def test_a_replaced_engine_is_one_error_and_the_stream_goes_on() -> None:
    async with Ears().following() as ears:
        fault = RecognizerFault("Connection failed: the worker died")
        ears.recognizer.emit(fault)
        ears.recognizer.emit(fault)
        ears.recognizer.emit(FINAL)
        await ears.outlet.wait_for(2)
    assert ears.outlet.sent == [
        Problem("STT streaming error: Connection failed: the worker died"),
        END,
    ]


async def test_the_death_of_the_engine_is_told_once_and_later_audio_goes_nowhere() -> None:
    async with Ears().following() as ears:
        ears.recognizer.fail(NetworkFailed("gone"))
        await ears.outlet.wait_for(1)
        await ears.listening.wait_over()
        ears.listening.hear(b"\0\0")
    assert ears.outlet.problems == ["STT streaming error: Network error: gone"]
    assert ears.recognizer.audio == b""


async def test_an_engine_that_just_stops_is_an_error() -> None:
    async with Ears().following() as ears:
        ears.recognizer.finish()
        await ears.outlet.wait_for(1)
    assert ears.outlet.problems == [
        "STT streaming error: Connection failed: the engine ended the stream"
    ]


async def test_finish_lets_the_engine_say_its_last_word_without_an_error() -> None:
    async with Ears().following() as ears:
        ears.recognizer.emit(FINAL)
        ears.listening.finish()
        ears.listening.finish()
        async with asyncio.timeout(5):
            await ears.listening.wait_over()
    assert ears.outlet.sent == [END]


async def test_refused_audio_is_told_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    ears = Ears()

    def refuse(audio: bytes) -> None:
        raise AudioRejected("cannot read it")

    monkeypatch.setattr(ears.recognizer, "send_audio", refuse)
    for _ in range(5):
        ears.listening.hear(b"\0\0")
    text = "Failed to process audio: STT error: Audio processing error: cannot read it"
    assert ears.outlet.problems == [text]
    ears.clock.advance(1.0)
    ears.listening.hear(b"\0\0")
    assert ears.outlet.problems == [text, text]


async def test_results_during_protected_speech_are_told_in_order_when_it_ends() -> None:
    async with Ears().following() as ears:
        ears.protect(2.0)
        ears.recognizer.emit(INTERIM)
        ears.recognizer.emit(FINAL)
        await settle()
        ears.clock.advance(1.9)
        assert ears.outlet.sent == []
        ears.clock.advance(0.2)
        assert ears.outlet.sent == [INTERIM, END]
        ears.recognizer.emit(INTERIM)
        await ears.outlet.wait_for(3)


async def test_a_result_that_comes_after_held_ones_does_not_overtake_them() -> None:
    async with Ears().following() as ears:
        ears.protect(2.0)
        ears.recognizer.emit(INTERIM)
        await settle()
        ears.clock.seconds += 2.5  # the alarm is late
        ears.recognizer.emit(FINAL)
        await ears.outlet.wait_for(2)
    assert ears.outlet.sent == [INTERIM, END]


async def test_protection_that_grows_holds_the_results_longer() -> None:
    async with Ears().following() as ears:
        ears.protect(1.0)
        ears.recognizer.emit(FINAL)
        await settle()
        ears.protect(1.0)
        ears.clock.advance(1.5)
        assert ears.outlet.sent == []
        ears.clock.advance(0.6)
        assert ears.outlet.sent == [END]


async def test_a_clear_of_the_protection_releases_the_results() -> None:
    async with Ears().following() as ears:
        ears.protect(60.0)
        ears.recognizer.emit(FINAL)
        await settle()
        ears.protection.reset()
        assert ears.outlet.sent == [END]


async def test_an_error_is_not_held() -> None:
    async with Ears().following() as ears:
        ears.protect(60.0)
        ears.recognizer.emit(RecognizerFault("Provider error: hiccup"))
        await ears.outlet.wait_for(1)
    assert ears.outlet.problems == ["STT streaming error: Provider error: hiccup"]


async def test_results_can_be_dropped_during_protected_speech() -> None:
    async with Ears(drop_while_protected=True).following() as ears:
        ears.protect(1.0)
        ears.recognizer.emit(FINAL)
        await settle()
        ears.clock.advance(2.0)
        ears.recognizer.emit(INTERIM)
        await ears.outlet.wait_for(1)
    assert ears.outlet.sent == [INTERIM]


async def test_held_results_are_bounded_and_lose_interims_first() -> None:
    async with Ears().following() as ears:
        ears.protect(60.0)
        ears.recognizer.emit(FINAL)
        for number in range(MAX_HELD + 10):
            ears.recognizer.emit(Transcript(f"interim {number}"))
        await settle()
        async with asyncio.timeout(5):
            while ears.recognizer._events.qsize():
                await settle()
        ears.listening.release()
    assert len(ears.outlet.sent) == MAX_HELD
    assert ears.outlet.sent[0] == END
    assert ears.outlet.sent[-1] == Transcript(f"interim {MAX_HELD + 9}")


async def test_a_turn_that_the_recognizer_does_not_end_is_ended_for_it() -> None:
    ears = Ears()
    async with ears.following():
        ears.recognizer.emit(Transcript("a", is_final=True))
        await settle()
        ears.clock.advance(1.7)
        ears.recognizer.emit(Transcript("b"))
        await settle()
        ears.clock.advance(1.7)
        assert len(ears.outlet.events) == 2
        ears.clock.advance(0.2)
        forced = Transcript("", is_final=True, is_speech_final=True, confidence=1.0)
        assert ears.outlet.events[2:] == [TurnEnd(forced, "a")]
        ears.clock.advance(60)
        assert len(ears.outlet.events) == 3


async def test_a_turn_is_ended_while_protected_speech_is_audible() -> None:
    ears = Ears()
    async with ears.following():
        ears.recognizer.emit(Transcript("a", is_final=True))
        await settle()
        ears.protect(5.0)
        ears.clock.advance(1.9)
        assert [event.is_speech_final for event in ears.outlet.heard] == [False, True]


async def test_the_end_of_a_turn_does_not_overtake_words_that_are_held() -> None:
    ears = Ears()
    async with ears.following():
        ears.protect(5.0)
        ears.recognizer.emit(Transcript("a", is_final=True))
        await settle()
        ears.clock.advance(2.0)
        assert ears.outlet.events == []
        ears.clock.advance(3.1)
        assert [event.is_speech_final for event in ears.outlet.heard] == [False, True]
        assert ears.outlet.turns == ["a"]


async def test_words_that_are_dropped_while_protected_leave_the_turn_alone() -> None:
    ears = Ears(drop_while_protected=True)
    async with ears.following():
        ears.protect(5.0)
        ears.recognizer.emit(Transcript("a", is_final=True))
        await settle()
        ears.clock.advance(10.0)
        assert ears.outlet.events == []


async def test_nobody_is_woken_for_a_turn_of_a_session_that_is_over() -> None:
    ears = Ears()
    async with ears.following():
        ears.recognizer.emit(Transcript("a", is_final=True))
        await settle()
        ears.listening.stop_waiting()
        ears.clock.advance(10.0)
        assert len(ears.outlet.events) == 1


async def test_nobody_is_woken_for_what_is_held_when_speech_is_broken_off_with_the_session() -> (
    None
):
    ears = Ears()
    ears.protection.hand_over(ears.clock.now(), 5.0, protected=True)
    async with ears.following():
        ears.recognizer.emit(Transcript("a", is_final=True))
        await settle()
        ears.listening.stop_waiting()
        ears.protection.finish()
        ears.clock.advance(10.0)
        assert ears.outlet.events == []

import asyncio
from collections.abc import AsyncGenerator

import pytest

from sayna.errors import NetworkFailed, ProviderError
from sayna.session import speaking
from sayna.session.events import PlaybackComplete
from sayna.session.making import MAX_AHEAD_BYTES, RETRY_WAITS_S
from sayna.session.utterance import Utterance
from tests.fakes.scripted import speech_of
from tests.fakes.session import EPOCH_MS, settle, until
from tests.session.stage import RATE_HZ, Stage

FRAME_BYTES = 320  # 10 ms


async def test_audio_is_cut_into_frames_of_ten_ms_and_its_end_is_told() -> None:
    async with Stage().running() as stage:
        stage.provider.speech = lambda _text: bytes(700)
        stage.say("hello")
        await stage.idle()
    assert [len(frame) for frame in stage.outlet.frames] == [320, 320, 60]
    assert stage.outlet.sent[-1] == PlaybackComplete(EPOCH_MS)


async def test_utterances_are_said_in_order_and_complete_once() -> None:
    async with Stage().running() as stage:
        for text in ("one", "two", "three"):
            stage.say(text)
        await stage.idle()
    assert b"".join(stage.outlet.frames) == speech_of("one two three")
    assert stage.outlet.completions == 1
    assert isinstance(stage.outlet.sent[-1], PlaybackComplete)


async def test_utterances_sent_one_after_the_other_complete_each() -> None:
    async with Stage().running() as stage:
        for text in ("one", "two", "three"):
            stage.say(text)
            await stage.idle()
    assert stage.outlet.completions == 3


@pytest.mark.parametrize("text", ["", "  \n\t"])
async def test_a_blank_text_says_nothing_and_completes_nothing(text: str) -> None:
    async with Stage().running() as stage:
        stage.say(text, allow_interruption=False)
        await settle()
    assert stage.outlet.sent == []
    assert not stage.protection.blocks(stage.clock.now())


async def test_texts_are_trimmed_and_pronounced() -> None:
    async with Stage().running() as stage:
        stage.say("  ask AI \n")
        await stage.idle()
    assert stage.synthesizer.spoken == ["ask A I"]


async def test_a_text_that_is_too_long_is_refused() -> None:
    stage = Stage()
    with pytest.raises(ProviderError, match="21 characters, at most 20"):
        stage.say("x" * 21)


async def test_too_many_waiting_texts_are_refused() -> None:
    stage = Stage()
    for _ in range(3):
        stage.say("wait")
    with pytest.raises(ProviderError, match="3 texts are waiting"):
        stage.say("no more")


async def test_a_failing_engine_is_told_and_the_queue_goes_on() -> None:
    async with Stage().running() as stage:
        stage.provider.speak_error = NetworkFailed("the line is dead")
        stage.say("one")
        await stage.idle()
        stage.provider.speak_error = None
        stage.say("two")
        await stage.idle()
    assert stage.outlet.problems == ["TTS error: Network error: the line is dead"]
    assert stage.outlet.completions == 2
    assert b"".join(stage.outlet.frames) == speech_of("two")


async def test_an_engine_that_breaks_in_an_unforeseen_way_does_not_end_the_session() -> None:
    async with Stage().running() as stage:
        stage.provider.speech = lambda _text: 1 // 0 * b""
        stage.say("one")
        await stage.idle()
        stage.provider.speech = speech_of
        stage.say("two")
        await stage.idle()
    assert len(stage.outlet.problems) == 1
    assert "ZeroDivision" not in stage.outlet.problems[0]
    assert b"".join(stage.outlet.frames) == speech_of("two")


async def test_an_engine_that_says_nothing_for_too_long_is_given_up() -> None:
    stage = Stage(request_timeout_s=10.0)
    stage.provider.speak_gate = asyncio.Event()
    async with stage.running():
        stage.say("one")
        await settle()
        stage.clock.advance(9.9)
        await settle()
        assert stage.outlet.problems == []
        stage.clock.advance(0.1)
        await stage.idle()
    assert stage.outlet.problems == ["TTS error: Timeout error: no audio came for 10 s"]
    assert stage.synthesizer.cancelled == ["one"]


async def test_clear_stops_the_running_utterance_and_forgets_the_waiting_ones() -> None:
    stage = Stage()
    async with stage.running():
        stage.say("one two three")
        stage.say("four")
        await stage.outlet.wait_for(1)
        frames = len(stage.outlet.frames)
        assert stage.speaking.clear()
        await stage.idle()
        assert len(stage.outlet.frames) == frames
        assert stage.outlet.events == []
        assert stage.synthesizer.cancelled == ["one two three", "four"]
        stage.say("five")
        await stage.idle()
    assert b"".join(stage.outlet.frames[frames:]) == speech_of("five")
    assert stage.outlet.completions == 1


async def test_clear_with_nothing_to_say_and_twice_is_harmless() -> None:
    async with Stage().running() as stage:
        assert stage.speaking.clear()
        assert stage.speaking.clear()
        stage.say("one")
        assert stage.speaking.clear()
        stage.say("two")
        await stage.idle()
    assert stage.synthesizer.spoken == ["two"]
    assert stage.outlet.completions == 1


async def test_a_client_that_does_not_read_stops_the_speech_and_clear_drops_it() -> None:
    stage = Stage()
    async with stage.running():
        stage.outlet.block()
        stage.say("one two three")
        await settle()
        assert stage.outlet.sent == []
        stage.speaking.clear()
        stage.outlet.unblock()
        await stage.idle()
        assert stage.outlet.sent == []
        stage.say("next")
        await stage.idle()
    assert b"".join(stage.outlet.frames) == speech_of("next")


async def test_waiting_for_the_client_is_not_held_against_the_engine() -> None:
    stage = Stage(request_timeout_s=10.0)
    stage.provider.speech = lambda _text: bytes(2 * MAX_AHEAD_BYTES)
    async with stage.running():
        stage.outlet.block()
        stage.say("one")
        for _ in range(100):
            await settle()
        stage.clock.advance(3600.0)
        await settle()
        stage.outlet.unblock()
        await stage.idle()
    assert stage.outlet.problems == []
    assert sum(map(len, stage.outlet.frames)) == 2 * MAX_AHEAD_BYTES


async def test_protected_speech_is_not_cleared_while_it_sounds() -> None:
    async with Stage().running() as stage:
        stage.provider.speech = lambda _text: bytes(2 * RATE_HZ)  # 1 s
        stage.say("one", allow_interruption=False)
        await stage.idle()
        stage.clock.advance(0.99)
        assert not stage.speaking.clear()
        stage.clock.advance(0.02)
        assert stage.speaking.clear()


async def test_mulaw_sounds_for_as_long_as_it_has_bytes_by_its_rate() -> None:
    async with Stage(audio_format="mulaw").running() as stage:
        stage.provider.speech = lambda _text: bytes(RATE_HZ)  # 1 s
        stage.say("one", allow_interruption=False)
        await stage.idle()
        stage.clock.advance(0.9)
        assert not stage.speaking.clear()
        stage.clock.advance(0.11)
        assert stage.speaking.clear()


async def test_a_protected_utterance_that_fails_protects_nothing() -> None:
    async with Stage().running() as stage:
        stage.provider.speak_error = NetworkFailed("no")
        stage.say("one", allow_interruption=False)
        await stage.idle()
        assert stage.speaking.clear()


async def test_a_protected_utterance_is_not_cleared_before_it_is_heard_either() -> None:
    stage = Stage()
    stage.provider.speak_gate = asyncio.Event()
    async with stage.running():
        stage.say("one", allow_interruption=False)
        await settle()
        assert not stage.speaking.clear()
        stage.provider.speak_gate.set()
        await stage.idle()
    assert b"".join(stage.outlet.frames) == speech_of("one")
    assert stage.outlet.completions == 1


async def test_a_clear_leaves_the_protected_ones_of_those_that_wait() -> None:
    stage = Stage()
    stage.provider.speak_gate = asyncio.Event()
    async with stage.running():
        stage.say("one")
        stage.say("two", allow_interruption=False)
        stage.say("three")
        await settle()
        assert stage.speaking.clear()
        stage.provider.speak_gate.set()
        await stage.idle()
    assert b"".join(stage.outlet.frames) == speech_of("two")
    assert stage.outlet.completions == 1


async def test_a_protected_utterance_that_was_asked_for_at_once_before_a_clear_is_said() -> None:
    async with Stage().running() as stage:
        stage.say("one", allow_interruption=False)
        stage.say("two")
        assert stage.speaking.clear()
        await stage.idle()
    assert b"".join(stage.outlet.frames) == speech_of("one")


async def test_the_next_utterance_is_made_while_the_present_one_is_handed_over() -> None:
    async with Stage().running() as stage:
        stage.outlet.block()
        for text in ("one", "two", "three"):
            stage.say(text)
        await settle()
        assert stage.synthesizer.completed == ["one", "two"]  # and no further ahead
        assert stage.outlet.sent == []
        stage.hold("two")
        stage.outlet.unblock()
        await stage.idle()
    assert b"".join(stage.outlet.frames) == speech_of("one two three")
    assert stage.outlet.completions == 1


async def test_an_utterance_asked_for_while_one_sounds_is_made_at_once() -> None:
    async with Stage().running() as stage:
        stage.outlet.block()
        stage.say("one")
        await settle()
        stage.say("two")
        await settle()
        assert stage.synthesizer.completed == ["one", "two"]


async def test_nothing_is_made_ahead_before_the_present_utterance_has_begun_to_sound() -> None:
    async with Stage().running() as stage:
        gate = stage.hold("one")
        stage.say("one")
        stage.say("two")
        await settle()
        assert stage.synthesizer.spoken == ["one"]
        gate.set()
        await stage.idle()
    assert b"".join(stage.outlet.frames) == speech_of("one two")


async def test_the_order_is_kept_when_the_next_utterance_is_made_faster() -> None:
    async with Stage().running() as stage:
        stage.provider.speech = lambda text: speech_of(text) * (3 if text == "one" else 1)
        stage.say("one")
        await stage.outlet.wait_for(1)
        gate = stage.hold("one")
        for text in ("two", "three"):
            stage.say(text)
        await settle()
        assert stage.synthesizer.completed == ["two"]
        frames = len(stage.outlet.frames)
        assert b"".join(stage.outlet.frames) == speech_of("one") * frames
        gate.set()
        await stage.idle()
    assert b"".join(stage.outlet.frames) == speech_of("one") * 3 + speech_of("two three")
    assert stage.outlet.completions == 1


async def test_a_clear_cancels_what_is_made_ahead_at_once() -> None:
    async with Stage().running() as stage:
        stage.outlet.block()
        stage.hold("two")
        stage.say("one")
        stage.say("two")
        await settle()
        assert stage.speaking.clear()
        await asyncio.sleep(0)
        assert stage.synthesizer.cancelled == ["two"]
        stage.outlet.unblock()
        stage.say("three")
        await stage.idle()
    assert b"".join(stage.outlet.frames) == speech_of("three")
    assert stage.synthesizer.spoken == ["one", "two", "three"]
    assert stage.outlet.completions == 1


async def test_a_protected_utterance_made_ahead_survives_a_clear_and_is_made_once() -> None:
    async with Stage().running() as stage:
        stage.outlet.block()
        gate = stage.hold("two")
        stage.say("one")
        stage.say("two", allow_interruption=False)
        stage.say("three")
        await settle()
        assert stage.speaking.clear()
        stage.outlet.unblock()
        await settle()
        assert not stage.speaking.clear()  # now it is the one being made
        gate.set()
        await stage.idle()
    assert b"".join(stage.outlet.frames) == speech_of("two")
    assert stage.synthesizer.spoken == ["one", "two"]
    assert stage.outlet.completions == 1


async def test_an_utterance_made_ahead_counts_as_waiting() -> None:
    async with Stage().running() as stage:
        stage.outlet.block()
        for text in ("one", "two"):
            stage.say(text)
            await settle()
        stage.say("three")
        stage.say("four")
        with pytest.raises(ProviderError, match="3 texts are waiting"):
            stage.say("five")


async def test_an_utterance_that_fails_ahead_of_its_turn_is_told_in_its_turn() -> None:
    async with Stage().running() as stage:
        stage.outlet.block()
        stage.provider.speak_failures["two"] = [NetworkFailed("no")]
        for text in ("one", "two", "three"):
            stage.say(text)
        await settle()
        assert stage.synthesizer.spoken == ["one", "two"]
        assert stage.outlet.sent == []
        stage.outlet.unblock()
        await stage.idle()
    assert [type(one).__name__ for one in stage.outlet.sent] == [
        "bytes",
        "Problem",
        "bytes",
        "PlaybackComplete",
    ]
    assert b"".join(stage.outlet.frames) == speech_of("one three")


async def test_waiting_for_its_turn_is_not_held_against_an_utterance() -> None:
    stage = Stage(request_timeout_s=10.0)
    stage.provider.speech = lambda text: bytes(MAX_AHEAD_BYTES * (2 if text == "two" else 1) // 2)
    async with stage.running():
        stage.outlet.block()
        stage.say("one")
        stage.say("two")
        for _ in range(100):
            await settle()
        stage.clock.advance(3600.0)
        await settle()
        stage.outlet.unblock()
        await stage.idle()
    assert stage.outlet.problems == []
    assert stage.outlet.completions == 1


async def test_an_utterance_that_stands_still_ahead_of_its_turn_is_given_up_there() -> None:
    stage = Stage(request_timeout_s=10.0)
    async with stage.running():
        stage.outlet.block()
        stage.hold("two")
        for text in ("one", "two", "three"):
            stage.say(text)
        await settle()
        stage.clock.advance(10.0)
        await settle()
        assert stage.synthesizer.cancelled == ["two"]
        assert stage.outlet.sent == []  # it is told in its turn
        stage.outlet.unblock()
        await stage.idle()
    assert stage.outlet.problems == ["TTS error: Timeout error: no audio came for 10 s"]
    assert b"".join(stage.outlet.frames) == speech_of("one three")


async def test_a_retry_that_succeeds_is_not_told() -> None:
    async with Stage().running() as stage:
        stage.provider.speak_failures["one"] = [NetworkFailed("no", retryable=True)] * 2
        stage.say("one")
        for wait_s in RETRY_WAITS_S:
            await settle()
            stage.clock.advance(wait_s)
        await stage.idle()
    assert stage.outlet.problems == []
    assert b"".join(stage.outlet.frames) == speech_of("one")
    assert stage.outlet.completions == 1


async def test_a_clear_ends_the_wait_for_a_retry() -> None:
    async with Stage().running() as stage:
        stage.provider.speak_failures["one"] = [NetworkFailed("no", retryable=True)]
        stage.say("one")
        await settle()
        assert stage.speaking.clear()
        await stage.idle()
        stage.clock.advance(10)
        await settle()
    assert stage.synthesizer.spoken == ["one"]
    assert stage.outlet.sent == []


async def test_a_client_that_does_not_read_makes_the_engine_wait() -> None:
    taken: list[int] = []

    async with Stage().running() as stage:
        stage.provider.speech = lambda _text: bytes(4 * MAX_AHEAD_BYTES)
        original = stage.synthesizer.speak

        async def counted(text: str) -> AsyncGenerator[bytes, None]:
            async for piece in original(text):
                taken.append(len(piece))
                yield piece

        stage.synthesizer.speak = counted  # type: ignore[method-assign]
        stage.outlet.block()
        stage.say("one")
        stage.say("two")
        stage.say("three")
        for _ in range(200):
            await settle()
        assert 2 * MAX_AHEAD_BYTES <= sum(taken) <= 2 * MAX_AHEAD_BYTES + 3 * FRAME_BYTES
        stage.speaking.clear()
        await stage.idle()


async def test_a_hundred_clears_at_any_moment_leave_nothing_of_what_was_cleared() -> None:
    async with Stage().running() as stage:
        for number in range(100):
            for text in ("one", "two", "three"):
                stage.say(text)
            for _ in range(number % 17):
                await asyncio.sleep(0)
            stage.speaking.clear()
            before = len(stage.outlet.frames)
            stage.say("four")
            await stage.idle()
            assert b"".join(stage.outlet.frames[before:]) == speech_of("four")
    assert stage.outlet.problems == []


async def test_a_frame_that_was_made_before_a_clear_is_never_handed_over() -> None:
    stage = Stage()
    stale = Utterance("one", protected=False, generation=0)
    stage.speaking._play_frame(b"ab", stale)
    assert stage.speaking.clear()
    stage.speaking._play_frame(b"cd", stale)
    stage.speaking._play_frame(b"ef", Utterance("two", protected=False, generation=1))
    assert stage.outlet.frames == [b"ab", b"ef"]


async def test_texts_of_one_queue_that_fail_alike_are_one_error_and_others_are_told() -> None:
    async with Stage().running() as stage:
        for number, error in enumerate(["no", "no", "other"]):
            stage.provider.speak_failures[f"text {number}"] = [NetworkFailed(error)]
            stage.say(f"text {number}")
        await stage.idle()
        assert stage.outlet.problems == [
            "TTS error: Network error: no",
            "TTS error: Network error: other",
        ]
        assert stage.outlet.completions == 1


async def test_a_client_that_waits_for_each_text_hears_of_each_failure() -> None:
    async with Stage().running() as stage:
        for number in range(3):
            stage.provider.speak_failures[f"text {number}"] = [NetworkFailed("no")]
            stage.say(f"text {number}")
            await stage.idle()
        assert stage.outlet.problems == ["TTS error: Network error: no"] * 3
        assert stage.outlet.completions == 3


@pytest.mark.parametrize(("between_s", "errors"), [(0.9, 1), (1.0, 2)])
async def test_a_queue_that_fails_for_long_is_one_error_a_second(
    between_s: float, errors: int
) -> None:
    async with Stage().running() as stage:
        for text in ("first", "last"):
            stage.provider.speak_failures[text] = [NetworkFailed("no")]
        gate = stage.hold("between")
        for text in ("first", "between", "last"):
            stage.say(text)
        await stage.outlet.wait_for(1)
        stage.clock.advance(between_s)
        gate.set()
        await stage.idle()
    assert stage.outlet.problems == ["TTS error: Network error: no"] * errors
    assert stage.outlet.completions == 1


@pytest.mark.parametrize("end", ["clear", "close"])
async def test_an_engine_that_does_not_let_go_is_left_after_a_while(
    monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(speaking, "CLOSING_LIMIT_S", 0.01)
    stage, steps = Stage(), 0

    async def stubborn(text: str) -> AsyncGenerator[bytes, None]:
        nonlocal steps
        try:
            yield speech_of(text)
            await asyncio.Event().wait()
        finally:
            try:
                await asyncio.Event().wait()
            finally:
                steps += 1

    plain = stage.synthesizer.speak
    stage.synthesizer.speak = stubborn  # type: ignore[method-assign]
    async with asyncio.timeout(5), stage.running():
        stage.say("one")
        await stage.outlet.wait_for(1)
        if end == "clear":
            assert stage.speaking.clear()
            stage.synthesizer.speak = plain  # type: ignore[method-assign]
            stage.say("two")
            await stage.idle()
            assert b"".join(stage.outlet.frames[1:]) == speech_of("two")
            await until(lambda: steps == 1)
    assert steps == 1


async def test_what_an_engine_does_when_it_is_stopped_is_not_broken_off() -> None:
    stage, goodbye = Stage(), asyncio.Event()

    async def polite(text: str) -> AsyncGenerator[bytes, None]:
        try:
            yield speech_of(text)
            await asyncio.Event().wait()
        finally:
            await settle()
            goodbye.set()

    stage.synthesizer.speak = polite  # type: ignore[method-assign]
    async with stage.running():
        stage.say("one")
        await stage.outlet.wait_for(1)
        stage.speaking.clear()
        await stage.idle()
        assert goodbye.is_set()


async def test_a_watched_voice_that_stalls_is_asked_again_and_nobody_hears_of_it() -> None:
    stage = Stage(stall_limit_s=1.0)
    async with stage.running():
        gate = stage.hold("one")
        stage.say("one")
        await settle()
        stage.clock.advance(1.0)
        await settle()
        gate.set()
        stage.clock.advance(RETRY_WAITS_S[0])
        await stage.idle()
    assert stage.synthesizer.spoken == ["one", "one"]
    assert stage.outlet.problems == []
    assert b"".join(stage.outlet.frames) == speech_of("one")

"""`speak` with `flush: false`: one utterance whose text comes in pieces, for both kinds of engines.

An engine that takes pieces says each word once a blank follows it; for the other kind, each
sentence is a text of its own. What both kinds say of a text is the same.
"""

import asyncio

import pytest

from sayna.errors import NetworkFailed, ProviderError
from sayna.session.making import RETRY_WAITS_S
from tests.fakes.scripted import speech_of
from tests.fakes.session import settle
from tests.session.stage import OPEN_TIMEOUT_S, RATE_HZ, Stage

both = pytest.mark.parametrize("streams", [False, True])


@both
async def test_pieces_are_joined_as_they_were_sent_and_complete_once(streams: bool) -> None:
    async with Stage(streams=streams).running() as stage:
        stage.write("  some", "thing ", "wor")
        await settle()
        assert stage.outlet.completions == 0
        stage.say("ld. Bye ")
        await stage.idle()
    assert stage.audio == speech_of("something world. Bye")
    assert stage.outlet.completions == 1


@both
@pytest.mark.parametrize("end", ["", " \n"])
async def test_a_blank_text_ends_an_open_utterance(end: str, streams: bool) -> None:
    async with Stage(streams=streams).running() as stage:
        stage.write("Hello")
        stage.say(end)
        await stage.idle()
        stage.say("next")
        await stage.idle()
    assert stage.audio == speech_of("Hello next")
    assert stage.outlet.completions == 2


async def test_blank_texts_open_nothing_and_separate_words_of_an_open_utterance() -> None:
    async with Stage().running() as stage:
        stage.write("", " \n", allow_interruption=False)
        assert stage.speaking.open_protection is None
        stage.write("one", " ", "", "two")
        stage.say("")
        await stage.idle()
    assert stage.synthesizer.spoken == ["one two"]


async def test_an_engine_that_takes_pieces_gets_each_at_once() -> None:
    async with Stage(streams=True).running() as stage:
        stage.write("one ")
        await settle()
        assert (stage.streamed, stage.audio) == ([["one "]], speech_of("one"))
        stage.write("tw", "o")
        await settle()
        assert stage.streamed == [["one ", "two"]]
        stage.say(" three")
        await stage.idle()
    assert stage.streamed == [["one ", "two", " three"]]
    assert stage.audio == speech_of("one two three")
    assert stage.synthesizer.spoken == []


async def test_a_sentence_is_said_as_soon_as_it_is_complete() -> None:
    async with Stage().running() as stage:
        stage.write("It is 3.", "14. ", "Is")
        await settle()
        assert stage.audio == speech_of("It is 3.14.")
        stage.write(" it? ")
        await settle()
        assert stage.audio == speech_of("It is 3.14. Is it?")
        stage.say("Yes")
        await stage.idle()
    assert stage.synthesizer.spoken == ["It is 3.14.", "Is it?", "Yes"]
    assert stage.outlet.completions == 1


async def test_the_next_sentence_is_made_while_one_is_handed_over_and_no_further() -> None:
    async with Stage().running() as stage:
        stage.outlet.block()
        stage.write("One. ", "Two. ", "Three. ")
        await settle()
        assert stage.synthesizer.completed == ["One.", "Two."]
        stage.outlet.unblock()
        stage.say("Four.")
        stage.say("Five.")
        await stage.idle()
    assert stage.audio == speech_of("One. Two. Three. Four. Five.")


async def test_a_long_text_leaves_nothing_behind_of_what_was_said() -> None:
    async with Stage().running() as stage:
        for _ in range(50):
            stage.write("One. ")
            await settle()
        assert len(stage.speaking._makers) <= 2
        stage.say("")
        await stage.idle()
        assert stage.speaking._makers == {}


async def test_after_a_clear_of_sentences_made_ahead_others_are_made_ahead_again() -> None:
    async with Stage().running() as stage:
        stage.outlet.block()
        stage.write("One. ", "Two. ", "Three. ")
        await settle()
        assert stage.speaking.clear()
        stage.say("Four.")
        stage.say("Five.")
        await settle()
        assert stage.synthesizer.completed == ["One.", "Two.", "Four.", "Five."]
        stage.outlet.unblock()
        await stage.idle()
    assert stage.audio == speech_of("Four. Five.")


async def test_behind_the_last_sentence_the_next_utterance_is_made() -> None:
    async with Stage().running() as stage:
        stage.outlet.block()
        stage.write("One. ")
        stage.say("")
        stage.write("Two. ")
        await settle()
        assert stage.synthesizer.completed == ["One.", "Two."]
        stage.outlet.unblock()
        await settle()
        assert stage.outlet.completions == 0
        stage.say("")
        await stage.idle()
    assert stage.audio == speech_of("One. Two.")


@both
async def test_frames_are_cut_as_if_the_text_had_come_whole(streams: bool) -> None:
    async with Stage(streams=streams).running() as stage:
        stage.provider.speech = lambda text: text.encode()[:3] * 70  # 210 bytes
        stage.write("One. ", "Two. ")
        stage.say("Six.")
        await stage.idle()
    assert [len(frame) for frame in stage.outlet.frames] == [320, 310]


@both
async def test_the_first_text_says_whether_all_of_it_may_be_interrupted(streams: bool) -> None:
    async with Stage(streams=streams).running() as stage:
        stage.write("One. ", allow_interruption=False)
        assert stage.speaking.open_protection is True
        await stage.outlet.wait_for(1)
        stage.write("Two. ", allow_interruption=True)
        assert not stage.speaking.clear()
        stage.say("")
        await stage.idle()
        assert stage.audio == speech_of("One. Two.")
        stage.clock.advance(1)
        stage.write("Six. ", allow_interruption=True)
        stage.write("Ten. ", allow_interruption=False)
        assert stage.speaking.open_protection is False
        await settle()
        assert stage.speaking.clear()


@both
async def test_protection_begins_with_the_sound_and_lasts_while_the_text_goes_on(
    streams: bool,
) -> None:
    async with Stage(streams=streams).running() as stage:
        stage.provider.speech = lambda _text: bytes(2 * RATE_HZ)  # 1 s
        stage.write("One", allow_interruption=False)
        await settle()
        assert not stage.protection.blocks(stage.clock.now())
        stage.write(". ", allow_interruption=False)
        await settle()
        stage.clock.advance(5)
        assert stage.protection.blocks(stage.clock.now())
        stage.say("")
        await stage.idle()
        stage.clock.advance(1.01)
        assert stage.speaking.clear()


@both
async def test_a_clear_drops_an_open_utterance_and_later_text_begins_another(
    streams: bool,
) -> None:
    async with Stage(streams=streams).running() as stage:
        stage.write("One. ", "Two")
        await stage.outlet.wait_for(1)
        assert stage.speaking.clear()
        frames = len(stage.outlet.frames)
        assert stage.speaking.open_protection is None
        await stage.idle()
        assert stage.outlet.completions == 0
        stage.say("Three.")
        await stage.idle()
    assert b"".join(stage.outlet.frames[frames:]) == speech_of("Three.")
    assert stage.outlet.completions == 1


@both
async def test_an_open_utterance_that_waits_is_cleared_unless_it_is_protected(
    streams: bool,
) -> None:
    for allow_interruption in (True, False):
        stage = Stage(streams=streams)
        gate = stage.hold("one")
        async with stage.running():
            stage.say("one")
            stage.write("Two. ", allow_interruption=allow_interruption)
            await settle()
            assert stage.speaking.clear()
            gate.set()
            stage.say("Three.")
            await stage.idle()
        assert stage.audio == speech_of("Three." if allow_interruption else "Two. Three.")
        assert stage.outlet.completions == 1


@both
async def test_a_text_that_does_not_go_on_is_ended_without_an_error(
    streams: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with Stage(streams=streams).running() as stage:
        stage.write("One. ", "Tw", allow_interruption=False)
        await settle()
        stage.clock.advance(OPEN_TIMEOUT_S - 1)
        stage.write("o ")
        stage.clock.advance(OPEN_TIMEOUT_S - 1)
        await settle()
        assert not stage.speaking.clear()
        assert stage.outlet.completions == 0
        stage.clock.advance(2)
        await settle()
        assert stage.outlet.completions == 1
        stage.clock.advance(1)
        assert stage.speaking.clear()
        stage.say("three")
        await stage.idle()
    assert stage.audio == speech_of("One. Two three")
    assert stage.outlet.problems == []
    assert "One" not in caplog.text


async def test_the_time_of_one_open_utterance_says_nothing_about_the_next() -> None:
    async with Stage().running() as stage:
        stage.write("One. ")
        stage.say("")
        stage.clock.advance(OPEN_TIMEOUT_S - 1)
        stage.write("Two")
        stage.clock.advance(2)
        assert stage.speaking.open_protection is False
        stage.clock.advance(OPEN_TIMEOUT_S)
        assert stage.speaking.open_protection is None
        await stage.idle()


async def test_no_alarm_is_left_when_a_session_ends() -> None:
    stage = Stage()
    async with stage.running():
        stage.write("One")
        await settle()
    assert [alarm for alarm in stage.clock._alarms if alarm.callback] == []


@both
async def test_waiting_for_the_client_s_text_is_not_held_against_the_engine(streams: bool) -> None:
    stage = Stage(request_timeout_s=5.0, streams=streams)
    async with stage.running():
        stage.write("One. ", "Two")
        await settle()
        stage.clock.advance(OPEN_TIMEOUT_S - 1.0)
        await settle()
        stage.say(". Six.")
        await stage.idle()
    assert stage.outlet.problems == []
    assert stage.audio == speech_of("One. Two. Six.")


async def test_an_engine_has_all_its_time_from_the_moment_that_it_got_text() -> None:
    stage = Stage(request_timeout_s=5.0, streams=True)
    async with stage.running():
        stage.write("One. ", "Two")
        await settle()
        stage.clock.advance(3.0)
        stage.provider.speak_gate = asyncio.Event()
        stage.write(". ")
        await settle()
        stage.clock.advance(4.9)
        await settle()
        assert stage.outlet.problems == []
        stage.clock.advance(0.1)
        await settle()
        assert stage.outlet.problems == ["TTS error: Timeout error: no audio came for 5 s"]


@both
async def test_an_engine_that_has_text_and_says_nothing_is_given_up(streams: bool) -> None:
    stage = Stage(request_timeout_s=5.0, streams=streams)
    async with stage.running():
        stage.write("One. ")
        await settle()
        stage.provider.speak_gate = asyncio.Event()
        stage.write("Two. ", "Three. ")
        await settle()
        stage.clock.advance(5.0)
        await settle()
        assert stage.outlet.problems == ["TTS error: Timeout error: no audio came for 5 s"]
        stage.provider.speak_gate = None
        stage.say("Four. ")
        await stage.idle()
        stage.say("Five.")
        await stage.idle()
    assert stage.audio == speech_of("One. Five.")
    assert len(stage.outlet.problems) == 1
    assert stage.outlet.completions == 2


@both
async def test_what_comes_of_an_utterance_that_failed_is_not_said_and_ends_it(
    streams: bool,
) -> None:
    async with Stage(streams=streams).running() as stage:
        stage.write("One. ", allow_interruption=False)
        await settle()
        stage.provider.speak_error = NetworkFailed("cut")
        stage.write("Two. ")
        await stage.outlet.wait_for(2)
        stage.provider.speak_error = None
        stage.write("Three. ")
        await settle()
        assert stage.outlet.completions == 0
        stage.clock.advance(1)
        stage.say("")
        await stage.idle()
        stage.say("Four.")
        await stage.idle()
    assert stage.outlet.problems == ["TTS error: Network error: cut"]
    assert stage.audio == speech_of("One. Four.")
    assert stage.outlet.completions == 2


async def test_a_protected_utterance_that_failed_while_it_was_open_may_be_cleared() -> None:
    async with Stage().running() as stage:
        stage.provider.speak_error = NetworkFailed("cut")
        stage.write("One. ", allow_interruption=False)
        await stage.outlet.wait_for(1)
        assert stage.speaking.clear()
        stage.provider.speak_error = None
        stage.say("Two.")
        await stage.idle()
    assert stage.audio == speech_of("Two.")
    assert stage.outlet.completions == 1


async def test_before_its_first_audio_an_utterance_begins_again_with_all_its_pieces() -> None:
    async with Stage(streams=True).running() as stage:
        stage.provider.stream_failures = [NetworkFailed("a moment", retryable=True)] * 2
        stage.write("some")
        await settle()
        stage.write("thing ")
        for wait_s in RETRY_WAITS_S:
            await settle()
            stage.clock.advance(wait_s)
        await settle()
        stage.say("there")
        await stage.idle()
    assert stage.streamed == [["some"], ["something "], ["something ", "there"]]
    assert stage.audio == speech_of("something there")
    assert stage.outlet.problems == []


async def test_a_sentence_that_fails_before_its_audio_is_tried_again_and_none_is_said_twice() -> (
    None
):
    async with Stage().running() as stage:
        stage.provider.speak_failures["Two."] = [NetworkFailed("a moment", retryable=True)]
        stage.write("One. ", "Two. ")
        stage.say("Six.")
        await settle()
        stage.clock.advance(RETRY_WAITS_S[0])
        await stage.idle()
    assert stage.audio == speech_of("One. Two. Six.")
    assert stage.outlet.problems == []


@both
async def test_a_pronunciation_is_found_over_the_edges_of_pieces(streams: bool) -> None:
    async with Stage(streams=streams).running() as stage:
        stage.write("ask A", "I now, A", "IM")
        stage.say(" it")
        await stage.idle()
    assert stage.audio == speech_of("ask A I now, AIM it")


@both
async def test_the_text_that_waits_is_limited_and_what_was_taken_is_said(streams: bool) -> None:
    stage = Stage(streams=streams)  # 20 characters
    stage.write("One two. ")
    with pytest.raises(ProviderError, match="21 characters, at most 20"):
        stage.write("x" * 21)
    stage.write("Three four.")
    with pytest.raises(ProviderError, match="at most 20 characters of an open utterance may wait"):
        stage.write(" ")
    with pytest.raises(ProviderError, match="at most 20 characters"):
        stage.say("more")
    assert stage.speaking.open_protection is None  # it has ended all the same
    async with stage.running():
        await stage.idle()
    assert stage.audio == speech_of("One two. Three four.")


@both
async def test_text_that_was_said_does_not_count(streams: bool) -> None:
    async with Stage(streams=streams).running() as stage:
        for _ in range(10):
            stage.write("One two three. ")
            await settle()
        stage.say("")
        await stage.idle()
    assert stage.audio == speech_of("One two three. " * 10)


async def test_an_utterance_counts_once_however_many_pieces_it_has() -> None:
    stage = Stage()
    stage.write("a", "b", "c", "d")
    stage.say("e")
    for _ in range(2):
        stage.say("wait")
    with pytest.raises(ProviderError, match="3 texts are waiting"):
        stage.write("no")
    stage.write(" more")  # of the refused one: said without its beginning it would be torn
    stage.say("either")
    async with stage.running():
        await stage.idle()
        assert stage.audio == speech_of("abcde wait wait")
        stage.say("next")
        await stage.idle()
    assert stage.audio == speech_of("abcde wait wait next")


async def test_a_refused_beginning_does_not_outlive_a_clear() -> None:
    async with Stage().running() as stage:
        with pytest.raises(ProviderError, match="at most 20"):
            stage.write("x" * 21, allow_interruption=False)
        assert stage.speaking.open_protection is False
        assert stage.speaking.clear()
        stage.say("next")
        await stage.idle()
    assert stage.audio == speech_of("next")


@both
async def test_whoever_waits_for_everything_to_be_said_ends_what_is_open(streams: bool) -> None:
    async with Stage(streams=streams).running() as stage:
        stage.outlet.block()
        stage.write("One. ", "Two")
        await settle()
        waiting = asyncio.ensure_future(stage.idle())
        await settle()
        stage.write("Six")  # and opens nothing meanwhile
        assert stage.speaking.open_protection is None
        stage.outlet.unblock()
        await waiting
    assert stage.audio == speech_of("One. Two Six")


@both
async def test_random_pieces_and_clears_leave_no_word_of_what_was_cleared(streams: bool) -> None:
    async with Stage(streams=streams).running() as stage:
        for number in range(100):
            for piece in ("One", ". Tw", "o. ", "Three"):
                stage.write(piece)
                for _ in range(number % 7):
                    await asyncio.sleep(0)
            stage.speaking.clear()
            before = len(stage.outlet.frames)
            stage.write("Four. ", "Fi")
            stage.say("ve.")
            await stage.idle()
            assert b"".join(stage.outlet.frames[before:]) == speech_of("Four. Five.")
    assert stage.outlet.problems == []

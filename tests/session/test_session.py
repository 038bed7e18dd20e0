import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from sayna.errors import NetworkFailed
from sayna.providers.cached import SpeechMemory
from sayna.session.events import Ready, TransferProblem
from sayna.session.loading_audio import ClipRequest
from sayna.session.opening import SessionRequest, SttRequest, TtsRequest
from sayna.session.session import Session, open_session
from sayna.settings.tree import LiveKit, SessionLimits, Settings, Turn
from sayna.speech.events import Transcript
from sayna.speech.options import Pronunciation, RecognizerOptions, SynthesizerOptions
from sayna.speech.pronunciation import MAX_RULES
from sayna.storage.speech_cache import SpeechCache
from tests.fakes.scripted import ScriptedProvider, speech_of
from tests.fakes.session import HandClock, MemoryOutlet, Shelf, settle

DISABLED = "Audio processing is disabled. Send config message with audio=true first."
NOT_CONFIGURED = "Voice manager not configured. Send config message with audio=true first."
NO_CLIENT = "LiveKit client not configured. Send config message with livekit configuration first."
LOADING_NEEDS_ROOM = (
    "Loading indicator requires a LiveKit room."
    " Include a livekit configuration in your config message."
)
CLIP_CONTEXT = "loading_audio requires audio to be enabled and a livekit configuration"
STT = SttRequest(RecognizerOptions("scripted"))
TTS = TtsRequest(SynthesizerOptions("scripted", sample_rate=16_000))
FULL = SessionRequest(stt=STT, tts=TTS)
SILENT = SessionRequest(audio=False)


class Line:
    """A session and the client's end of it."""

    def __init__(
        self, session: Session, outlet: MemoryOutlet, provider: ScriptedProvider, clock: HandClock
    ) -> None:
        self.session = session
        self.outlet = outlet
        self.provider = provider
        self.clock = clock


@asynccontextmanager
async def line(
    settings: Settings | None = None, memory: SpeechMemory | None = None
) -> AsyncGenerator[Line, None]:
    provider, outlet, clock = ScriptedProvider(), MemoryOutlet(), HandClock()
    async with open_session(
        outlet=outlet,
        providers=Shelf({"scripted": provider}),
        settings=settings or Settings(),
        clock=clock,
        memory=memory,
    ) as session:
        yield Line(session, outlet, provider, clock)


async def test_a_config_is_answered_with_ready_and_a_made_up_id() -> None:
    async with line() as one:
        await one.session.configure(FULL)
        [ready] = one.outlet.events
    assert isinstance(ready, Ready)
    assert str(uuid.UUID(ready.stream_id)) == ready.stream_id
    assert ready.livekit_url == "http://localhost:7880"
    assert ready.events is None


async def test_a_given_id_and_the_wished_events_are_repeated() -> None:
    async with line() as one:
        await one.session.configure(SessionRequest("call 7/é"[:6], audio=False, events=("vad",)))
    assert one.outlet.events == [Ready("call 7", "http://localhost:7880", ("vad",))]


@pytest.mark.parametrize("wished", ["", "  ", "..", "a..b", "a/b", "a\\b", "a\nb", "x" * 257])
async def test_an_unsafe_id_is_replaced_and_complained_about_after_ready(wished: str) -> None:
    async with line() as one:
        await one.session.configure(SessionRequest(wished, audio=False))
        ready = one.outlet.events[0]
    assert isinstance(ready, Ready)
    assert ready.stream_id == str(uuid.UUID(ready.stream_id))
    assert len(one.outlet.events) == 2
    assert one.outlet.problems[0].startswith("stream_id ")


async def test_a_missing_stt_config_is_told_before_a_missing_tts_config() -> None:
    async with line() as one:
        await one.session.configure(SessionRequest())
        await one.session.configure(SessionRequest(stt=STT))
        one.session.start_loading()
    assert one.outlet.problems == [
        "STT configuration is required when audio=true",
        "TTS configuration is required when audio=true",
        "Send a config message first before using loading_start.",
    ]


async def test_audio_and_speech_go_through_a_ready_session() -> None:
    async with line() as one:
        await one.session.configure(FULL)
        one.session.hear(b"\1\2")
        one.session.speak("hello", allow_interruption=True)
        await one.session.wait_spoken()
        one.provider.recognizers[0].emit(Transcript("hi"))
        await one.outlet.wait_for(4)
    assert one.provider.recognizers[0].audio == b"\1\2"
    assert b"".join(one.outlet.frames) == speech_of("hello")
    assert one.provider.recognizers[0].closed
    assert one.provider.synthesizers[0].closed


@pytest.mark.parametrize(
    ("wished", "fill", "ends_after_s", "transcript"),
    [
        ({}, False, 3.0, ""),
        ({"provider_wait_ms": 500}, False, 0.5, ""),
        ({"provider_wait_ms": 9000, "hard_limit_ms": 700}, True, 0.7, "hi there"),
    ],
)
async def test_a_turn_ends_as_the_config_wishes_or_else_as_the_server_is_set(
    wished: dict[str, int], fill: bool, ends_after_s: float, transcript: str
) -> None:
    settings = Settings(session=SessionLimits(turn=Turn(provider_wait_ms=3000)))
    stt = replace(STT, turn=wished, fill_forced_transcript=fill)
    async with line(settings) as one:
        await one.session.configure(replace(FULL, stt=stt))
        one.provider.recognizers[0].emit(Transcript("hi there", is_final=True))
        await settle()
        one.clock.advance(ends_after_s - 0.001)
        assert one.outlet.turns == []
        one.clock.advance(0.002)
        assert one.outlet.turns == ["hi there"]
        assert one.outlet.heard[-1].text == transcript


async def test_a_text_in_pieces_goes_through_a_session_and_ends_with_it() -> None:
    async with line() as one:
        assert one.session.open_protection is None
        await one.session.configure(FULL)
        one.session.speak("some", allow_interruption=False, flush=False)
        one.session.speak("thing", allow_interruption=True, flush=False)
        assert one.session.open_protection is True
        await one.session.wait_spoken()
        assert one.session.open_protection is None
    assert b"".join(one.outlet.frames) == speech_of("something")


async def test_pieces_that_do_not_fit_are_told_once_a_second_and_whole_texts_always() -> None:
    limits = SessionLimits(max_text_chars=5)
    async with line(Settings(session=limits)) as one:
        await one.session.configure(FULL)
        one.session.speak("hello", allow_interruption=True, flush=False)
        for _ in range(1000):
            one.session.speak(" more", allow_interruption=True, flush=False)
        [problem] = one.outlet.problems
        assert problem == (
            "Failed to synthesize speech: TTS error: Provider not ready:"
            " at most 5 characters of an open utterance may wait"
        )
        await one.session.wait_spoken()
        for _ in range(2):
            one.session.speak("too long", allow_interruption=True)
    assert len(one.outlet.problems) == 3
    assert b"".join(one.outlet.frames) == speech_of("hello")


async def test_before_a_config_everything_answers_as_documented() -> None:
    async with line() as one:
        one.session.hear(b"\1\2")
        one.session.speak("a", allow_interruption=True)
        one.session.clear_now()
        one.session.answer_clear()
        one.session.send_message()
        one.session.transfer(None)
        one.session.start_loading()
    assert one.outlet.events[3] == TransferProblem(
        "Room name not available. Ensure LiveKit is configured."
    )
    assert one.outlet.problems == [
        DISABLED,
        DISABLED,
        NO_CLIENT,
        "Send a config message first before using loading_start.",
    ]


async def test_after_a_failed_config_nothing_is_configured_and_nothing_open() -> None:
    async with line() as one:
        one.provider.open_recognizer_error = NetworkFailed("no")
        await one.session.configure(FULL)
        one.session.hear(b"\1\2")
        one.session.speak("a", allow_interruption=True)
        one.session.clear_now()
        one.session.answer_clear()
        one.session.start_loading()
        assert all(synthesizer.closed for synthesizer in one.provider.synthesizers)
    assert one.outlet.problems[1:] == [
        NOT_CONFIGURED,
        NOT_CONFIGURED,
        NOT_CONFIGURED,
        LOADING_NEEDS_ROOM,
    ]


async def test_a_failed_config_may_be_followed_by_a_good_one() -> None:
    async with line() as one:
        one.provider.open_recognizer_error = NetworkFailed("no")
        await one.session.configure(FULL)
        one.provider.open_recognizer_error = None
        await one.session.configure(FULL)
        assert isinstance(one.outlet.events[-1], Ready)
        one.session.speak("hello", allow_interruption=True)
        await one.session.wait_spoken()
    assert one.outlet.completions == 1
    assert len(one.outlet.events) == 3


@pytest.mark.parametrize("first", [FULL, SILENT])
async def test_a_second_config_on_a_ready_session_is_refused_and_changes_nothing(
    first: SessionRequest,
) -> None:
    async with line() as one:
        await one.session.configure(first)
        await one.session.configure(FULL)
        assert len(one.outlet.events) == 2
        assert "configured already" in one.outlet.problems[0]
        assert len(one.provider.recognizers) == (1 if first is FULL else 0)
        assert not any(recognizer.closed for recognizer in one.provider.recognizers)


async def test_without_audio_sound_is_refused_and_clear_is_silent() -> None:
    async with line() as one:
        await one.session.configure(SILENT)
        one.session.hear(b"\1\2")
        one.session.speak("a", allow_interruption=True)
        one.session.clear_now()
        one.session.answer_clear()
        one.session.start_loading()
    assert one.outlet.problems == [
        DISABLED,
        DISABLED,
        "Loading indicator requires audio to be enabled. Send a config message with audio=true.",
    ]


async def test_a_room_without_keys_on_the_server_is_refused() -> None:
    async with line() as one:
        await one.session.configure(SessionRequest(audio=False, room_name="r"))
    assert one.outlet.problems == [
        "LiveKit room handler not initialized. Check API keys configuration."
    ]


async def test_a_room_that_the_server_could_join_is_refused_truthfully() -> None:
    settings = Settings(livekit=LiveKit.model_validate({"api_key": "k", "api_secret": "s" * 32}))
    async with line(settings) as one:
        await one.session.configure(SessionRequest(stt=STT, tts=TTS, room_name="r"))
        one.session.hear(b"\0\0")
    assert "cannot join" in one.outlet.problems[0]
    assert one.outlet.problems[1] == NOT_CONFIGURED
    assert one.provider.recognizers == []


async def test_a_clip_without_a_room_is_a_complaint_after_ready_and_again_at_loading_start() -> (
    None
):
    clip = ClipRequest("AA==")
    async with line() as one:
        await one.session.configure(SessionRequest(stt=STT, tts=TTS, loading_audio=clip))
        assert isinstance(one.outlet.events[0], Ready)
        assert one.outlet.problems == [CLIP_CONTEXT]
        one.session.start_loading()
    assert one.outlet.problems == [CLIP_CONTEXT, CLIP_CONTEXT]


async def test_a_failed_config_tells_only_the_fatal_reason_but_remembers_the_clips() -> None:
    async with line() as one:
        await one.session.configure(
            SessionRequest(stt=STT, tts=TTS, room_name="r", loading_audio=ClipRequest("!"))
        )
        one.session.start_loading()
    assert len(one.outlet.problems) == 2
    assert one.outlet.problems[1] == "loading_audio.data is not valid base64"


@pytest.mark.parametrize(
    ("threshold", "written"),
    [
        (1.5, "1.5"),
        (-0.1, "-0.1"),
        (2.0, "2"),
        (1.0000001, "1.0000001"),
        (-0.00001, "-0.00001"),
        (1e16, "10000000000000000"),
    ],
)
async def test_a_threshold_out_of_range_is_an_error(threshold: float, written: str) -> None:
    async with line() as one:
        one.session.set_turn_threshold(threshold)
    assert one.outlet.problems == [
        f"Invalid turn detection threshold: {written}. Must be between 0.0 and 1.0"
    ]
    assert one.session.turn_threshold is None


@pytest.mark.parametrize("threshold", [0.0, 0.4, 1.0])
async def test_a_threshold_in_range_is_kept_silently(threshold: float) -> None:
    async with line() as one:
        one.session.set_turn_threshold(threshold)
    assert one.outlet.events == []
    assert one.session.turn_threshold == threshold


async def test_audio_that_nobody_takes_is_complained_about_once_a_second() -> None:
    async with line() as one:
        for _ in range(100):
            one.session.hear(b"\0\0")
        one.session.hear(b"")
    assert one.outlet.problems == [DISABLED]


async def test_a_refused_speak_says_why() -> None:
    async with line() as one:
        await one.session.configure(FULL)
        one.session.speak("x" * 20_001, allow_interruption=True)
    assert one.outlet.problems[0].startswith(
        "Failed to synthesize speech: TTS error: Invalid configuration: the text has 20001"
    )


async def test_a_clear_silences_a_ready_session() -> None:
    async with line() as one:
        await one.session.configure(FULL)
        one.provider.speak_gate = asyncio.Event()
        one.session.speak("a b c", allow_interruption=True)
        one.session.clear_now()
        one.session.answer_clear()
        one.provider.speak_gate.set()
        await one.session.wait_spoken()
    assert one.outlet.frames == []
    assert len(one.outlet.events) == 1


async def test_the_last_words_are_waited_for() -> None:
    async with line() as one:
        await one.session.configure(FULL)
        one.provider.recognizers[0].emit(Transcript("bye", is_final=True, is_speech_final=True))
        one.session.finish_listening()
        async with asyncio.timeout(5):
            await one.session.wait_heard()
        assert one.outlet.heard[-1] == Transcript("bye", is_final=True, is_speech_final=True)


async def test_waiting_for_words_without_a_config_ends_at_once() -> None:
    async with line() as one, asyncio.timeout(5):
        await one.session.wait_spoken()
        one.session.finish_listening()
        await one.session.wait_heard()
    assert one.outlet.sent == []


async def test_a_refusal_repeats_no_more_of_a_name_than_it_takes_to_know_it() -> None:
    stt = SttRequest(RecognizerOptions("x" * 1_000_000))
    async with line() as one:
        await one.session.configure(SessionRequest(stt=stt, tts=TTS))
    [problem] = one.outlet.problems
    assert problem.startswith("Unsupported provider: xxx")
    assert len(problem) < 1100


async def test_pronunciations_without_measure_refuse_the_config() -> None:
    rules = tuple(Pronunciation(f"w{number}", "x") for number in range(MAX_RULES + 1))
    tts = TtsRequest(SynthesizerOptions("scripted"), pronunciations=rules)
    async with line() as one:
        await one.session.configure(SessionRequest(stt=STT, tts=tts))
        await one.session.configure(FULL)
        [problem] = one.outlet.problems
        assert problem == (
            "Failed to create voice manager: TTS error: Invalid configuration: at most"
            f" {MAX_RULES} pronunciations fit, not {MAX_RULES + 1}"
        )
        assert isinstance(one.outlet.events[-1], Ready)


async def test_a_clear_tells_whether_it_was_allowed() -> None:
    async with line() as one:
        assert one.session.clear_now()
        await one.session.configure(FULL)
        assert one.session.clear_now()
        one.session.speak("one", allow_interruption=False)
        await one.session.wait_spoken()
        assert not one.session.clear_now()


async def test_what_one_session_said_another_says_from_memory_as_it_is_pronounced() -> None:
    cache = SpeechCache(memory_bytes=100_000, memory_entries=10, ttl_s=60)
    memory = SpeechMemory(cache, Settings())
    spoken: list[list[str]] = []
    for rule in ("sequel", "sequel", "S Q L"):
        tts = TtsRequest(TTS.options, pronunciations=(Pronunciation("SQL", rule),))
        async with line(memory=memory) as one:
            await one.session.configure(SessionRequest(stt=STT, tts=tts))
            one.session.speak("SQL rocks", allow_interruption=True)
            await one.session.wait_spoken()
        assert b"".join(one.outlet.frames) == speech_of(f"{rule} rocks")
        assert {len(frame) for frame in one.outlet.frames} == {320}
        assert one.outlet.completions == 1
        spoken.append(one.provider.synthesizers[0].spoken)
    assert spoken == [["sequel rocks"], [], ["S Q L rocks"]]


async def test_a_cleared_text_is_made_anew() -> None:
    cache = SpeechCache(memory_bytes=100_000, memory_entries=10, ttl_s=60)
    async with line(memory=SpeechMemory(cache, Settings())) as one:
        await one.session.configure(FULL)
        one.provider.speak_gate = gate = asyncio.Event()
        one.session.speak("a b c", allow_interruption=True)
        await settle()
        one.session.clear_now()
        gate.set()
        one.session.speak("a b c", allow_interruption=True)
        await one.session.wait_spoken()
        assert b"".join(one.outlet.frames) == speech_of("a b c")
        [synthesizer] = one.provider.synthesizers
        assert synthesizer.spoken == ["a b c", "a b c"]

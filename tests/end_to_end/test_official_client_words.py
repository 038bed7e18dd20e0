"""The whole surface of the official client that needs no room, checked word for word.

The provider `tones` says and hears exactly the words of a text, so whatever is lost, doubled or
changed on the way shows.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Generator

import numpy as np
import pytest
from sayna_client import SaynaClient, STTConfig, TTSConfig
from sayna_client.errors import SaynaNotReadyError, SaynaServerError, SaynaValidationError
from sayna_client.types import LoadingAudioConfig, Pronunciation, SipHook

from tests.end_to_end.official_client import Conversation, conversation, rest
from tests.providers.tones.singing import at_telephone_rate, silence, sing, text_in
from tests.running import RunningServer, running_server

pytestmark = pytest.mark.slow

RATE_HZ = 16_000
FRAME_BYTES = 640
STT = STTConfig(
    provider="tones",
    language="en-US",
    sample_rate=RATE_HZ,
    channels=1,
    punctuation=True,
    encoding="linear16",
    model="",
)
TTS = TTSConfig(provider="tones", model="", sample_rate=RATE_HZ)
NO_CLIENT = "LiveKit client not configured. Send config message with livekit configuration first."
NO_ROOM = (
    "Loading indicator requires a LiveKit room. Include a livekit configuration in your config"
    " message."
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer, None, None]:
    folder = tmp_path_factory.mktemp("tones")
    settings = {"TONES_PROVIDER": "true", "CACHE_PATH": str(folder / "cache")}
    with running_server(folder, environment=settings) as running:
        yield running


def words(audio: bytes) -> str:
    """Return the words in what was said."""
    return text_in(at_telephone_rate(np.frombuffer(audio, "<i2"), RATE_HZ))


async def say(client: SaynaClient, text: str) -> None:
    """Speak into the microphone, with enough silence behind it to be the end of a turn."""
    sung = np.concatenate((sing(text, RATE_HZ), silence(2000, RATE_HZ)))
    sound = sung.astype("<i2").tobytes()
    for at in range(0, len(sound), FRAME_BYTES):
        await client.on_audio_input(sound[at : at + FRAME_BYTES])


async def until_said(talk: Conversation, last: str) -> None:
    """Wait until everything up to these words was said; the queue may have run dry before."""
    tail_bytes = 4 * 2 * RATE_HZ
    await talk.until(
        lambda: (
            talk.told[-1:] == ["complete"] and words(bytes(talk.audio[-tail_bytes:])).endswith(last)
        )
    )


def finals(talk: Conversation) -> str:
    """Return all that was heard for good."""
    return " ".join(one.transcript for one in talk.results if one.is_final and one.transcript)


def speech_is_over(talk: Conversation) -> bool:
    return any(one.is_speech_final for one in talk.results)


async def test_what_is_said_and_heard_arrives_word_for_word_without_a_warning(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="sayna_client"):
        async with conversation(server, STT, TTS, stream_id="call 1") as talk:
            client = talk.client
            assert client.connected
            assert client.received_stream_id == "call 1"
            assert client.livekit_url == "http://localhost:7880"
            assert client.livekit_room_name is None
            assert client.sayna_participant_identity is None
            await client.speak("every word arrives, C++ and 42 too!")
            await talk.until_complete()
            await say(client, "and every word is heard")
            await talk.until(lambda: speech_is_over(talk))
            await client.loading_stop()
            await client.tts_flush()
            await client.clear()
    assert words(bytes(talk.audio)) == "every word arrives, C++ and 42 too!"
    assert finals(talk) == "and every word is heard"
    assert all(0.0 <= one.confidence <= 1.0 for one in talk.results)
    assert set(talk.frames[:-1]) == {320}
    assert len(talk.completions) == 1
    assert talk.errors == []
    assert caplog.records == []
    assert not client.connected
    assert not client.ready


async def test_texts_that_are_sent_in_pieces_are_said_in_order(server: RunningServer) -> None:
    async with conversation(server, STT, TTS) as talk:
        await talk.client.speak("one two th", flush=False)
        await talk.client.speak("ree ", flush=False)
        await talk.client.speak("four five")
        await until_said(talk, "four five")
    assert words(bytes(talk.audio)) == "one two three four five"
    assert talk.errors == []


async def test_a_flush_ends_a_text_that_was_still_open(server: RunningServer) -> None:
    async with conversation(server, STT, TTS) as talk:
        await talk.client.speak("one two", flush=False)
        await talk.client.tts_flush()
        await talk.until_complete()
        await talk.client.tts_flush(allow_interruption=False)  # must not protect anything
        await talk.client.speak("three")
        await talk.until_complete(2)
    assert words(bytes(talk.audio)) == "one two three"
    assert len(talk.completions) == 2


async def test_many_texts_are_said_in_order(
    server: RunningServer,
) -> None:
    texts = [f"number {n} of ten" for n in range(1, 11)]
    async with conversation(server, STT, TTS) as talk:
        for text in texts:
            await talk.client.speak(text)
        await until_said(talk, texts[-1])
    assert words(bytes(talk.audio)) == " ".join(texts)


async def test_a_clear_ends_what_is_said_and_leaves_the_next_text_whole(
    server: RunningServer,
) -> None:
    async with conversation(server, STT, TTS) as talk:
        await talk.client.speak("forgotten words " * 200)
        await talk.until(lambda: talk.frames)
        await talk.client.clear()
        await talk.client.clear()
        await talk.client.speak("here is the rest")
        await talk.until_complete()
    said = words(bytes(talk.audio)).split()
    assert said[-4:] == ["here", "is", "the", "rest"]
    assert len(said) < 400
    assert len(talk.completions) == 1
    assert talk.errors == []


async def test_speech_that_may_not_be_interrupted_is_said_whole_and_holds_what_is_heard(
    server: RunningServer,
) -> None:
    text = "nobody may interrupt this"
    async with conversation(server, STT, TTS) as talk:
        began = time.monotonic()
        await talk.client.speak(text, allow_interruption=False)
        await talk.until(lambda: talk.frames)
        await talk.client.clear()
        await say(talk.client, "the caller speaks")
        await talk.until_complete()
        audible_s = len(talk.audio) / (2 * RATE_HZ)
        await talk.until(lambda: speech_is_over(talk))
        heard_after_s = time.monotonic() - began
    assert words(bytes(talk.audio)) == text
    assert finals(talk) == "the caller speaks"
    interims = [one.transcript for one in talk.results if not one.is_final]
    assert interims == sorted(interims, key=len)  # in the order in which they were heard
    assert heard_after_s >= audible_s  # a lower bound: no machine is too slow for it
    assert talk.errors == []


async def test_a_clear_during_protected_speech_forgets_nothing_of_what_waits(
    server: RunningServer,
) -> None:
    text = "keep me " * 100  # it sounds for so long that no machine is too slow to interrupt it
    async with conversation(server, STT, TTS) as talk:
        await talk.client.speak(text, allow_interruption=False)
        await talk.until(lambda: talk.frames)
        await talk.client.speak("and me")
        await talk.client.clear()
        await until_said(talk, "and me")
    assert words(bytes(talk.audio)) == f"{text}and me"


async def test_words_are_pronounced_as_the_config_says(server: RunningServer) -> None:
    rules = [
        Pronunciation(word="plus", pronunciation="never"),
        Pronunciation(word="C++", pronunciation="see plus plus"),
        Pronunciation(word="AI", pronunciation="A I"),
        Pronunciation(word="fee", pronunciation="$5"),
        Pronunciation(word="", pronunciation="empty"),
    ]
    voice = TTS.model_copy(update={"pronunciations": rules})
    text, spoken = (
        "C++ and AI cost a fee not AIM ai fees",
        "see plus plus and A I cost a $5 not AIM ai fees",
    )
    async with conversation(server, STT, voice) as talk:
        await talk.client.speak(text)
        await talk.until_complete()
    assert words(bytes(talk.audio)) == spoken
    async with rest(server) as client:
        audio, _headers = await client.speak_rest(text, voice)
    assert words(audio) == spoken


async def test_a_client_connects_again_after_it_has_disconnected(server: RunningServer) -> None:
    client = SaynaClient(server.url, stt_config=STT, tts_config=TTS)
    talk = Conversation(client)
    for round_ in range(1, 4):
        await client.connect()
        await talk.until_ready()
        await client.speak(f"round {round_}")
        await talk.until_complete(round_)
        assert (await client.health()).status == "OK"
        await client.disconnect()
        assert not client.connected
    assert words(bytes(talk.audio)) == "round 1 round 2 round 3"
    assert len({one.stream_id for one in talk.ready}) == 3
    assert talk.errors == []


async def test_a_client_closes_in_the_middle_of_speech_and_of_its_config(
    server: RunningServer,
) -> None:
    async with conversation(server, STT, TTS) as talk:
        await talk.client.speak("much too long " * 500)
        await talk.until(lambda: talk.frames)
    client = SaynaClient(server.url, stt_config=STT, tts_config=TTS)
    async with client:
        await client.connect()
        with pytest.raises(SaynaNotReadyError):
            await client.speak("too early")
    assert (await health(server)) == "OK"


async def health(server: RunningServer) -> str:
    async with rest(server) as client:
        return str((await client.health()).status)


async def test_commands_that_need_a_room_are_answered_by_their_own_callbacks(
    server: RunningServer,
) -> None:
    async with conversation(server, STT, TTS) as talk:
        await talk.client.send_message("hello", "user", topic="chat", debug={"a": [1, None]})
        await talk.until(lambda: talk.errors == [NO_CLIENT])
        await talk.client.loading_start()
        await talk.until(lambda: talk.errors == [NO_CLIENT, NO_ROOM])
        await talk.client.sip_transfer(" +15551234567 ")
        await talk.until(lambda: talk.transfer_errors)
        await talk.client.sip_transfer("12a")
        await talk.until(lambda: len(talk.transfer_errors) == 2)
        await talk.client.speak("still here")
        await talk.until_complete()
    assert talk.transfer_errors == [
        "Room name not available. Ensure LiveKit is configured.",
        (
            "Invalid phone number: Invalid character 'a' at position 2"
            " - only digits (0-9) and optional leading '+' are allowed"
        ),
    ]
    assert words(bytes(talk.audio)) == "still here"
    assert len(talk.errors) == 2


async def test_a_clip_that_cannot_be_used_is_told_after_ready(server: RunningServer) -> None:
    clip = LoadingAudioConfig(data="AAAA", format="pcm", sample_rate=16_000)
    async with conversation(server, STT, TTS, loading_audio=clip) as talk:
        await talk.until(lambda: talk.errors)
        assert talk.told == ["ready", "error"]
        await talk.client.speak("works")
        await talk.until_complete()
    assert talk.errors == ["loading_audio requires audio to be enabled and a livekit configuration"]


async def test_a_session_without_audio_is_ready_and_says_what_it_cannot_do(
    server: RunningServer,
) -> None:
    client = SaynaClient(server.url, without_audio=True, stream_id="data only")
    talk = Conversation(client)
    async with client:
        await client.connect()
        await talk.until_ready()
        assert client.received_stream_id == "data only"
        await client.clear()
        await client.loading_stop()
        await client.speak("nobody hears this")
        await talk.until(lambda: talk.errors)
        await client.on_audio_input(bytes(320))
        await client.sip_transfer("1")
        await talk.until(lambda: talk.transfer_errors)
    assert set(talk.errors) == {
        "Audio processing is disabled. Send config message with audio=true first."
    }


async def test_a_config_that_fails_is_an_error_and_never_ready(server: RunningServer) -> None:
    client = SaynaClient(
        server.url, stt_config=STT, tts_config=TTS.model_copy(update={"provider": "nobody"})
    )
    talk = Conversation(client)
    async with client:
        await client.connect()
        await talk.until(lambda: talk.errors)
        assert talk.errors == ["Unsupported provider: nobody"]
        assert client.connected
        assert not client.ready


async def test_the_deprecated_names_work_still(server: RunningServer) -> None:
    async with conversation(server, STT, TTS) as talk:
        client = talk.client
        with pytest.warns(DeprecationWarning, match="deprecated"):
            client.register_on_audio(talk.on_audio)
        with pytest.warns(DeprecationWarning, match="deprecated"):
            await client.send_speak("old names")
        await talk.until_complete()
        with pytest.warns(DeprecationWarning, match="deprecated"):
            await client.send_clear()
        with pytest.warns(DeprecationWarning, match="deprecated"):
            await client.send_audio(bytes(640))
        await say(client, "old ears")
        await talk.until(lambda: speech_is_over(talk))
        with pytest.warns(DeprecationWarning, match="deprecated"):
            assert (await client.health_check()).status == "OK"
    assert words(bytes(talk.audio)) == "old names"
    assert finals(talk) == "old ears"


async def test_rest_speaks_and_lists_voices_in_the_clients_types(server: RunningServer) -> None:
    async with rest(server) as client:
        voices = await client.get_voices()
        audio, headers = await client.speak_rest("  over REST  ", TTS)
        with pytest.raises(SaynaValidationError):
            await client.speak_rest(" ", TTS)
    assert [voice.name for voice in voices["tones"]] == ["Chords"]
    assert words(audio) == "over REST"
    assert {name.lower(): value for name, value in headers.items()}["x-sample-rate"] == "16000"


async def test_hooks_are_listed_set_and_deleted(server: RunningServer) -> None:
    hook = SipHook(host="Example.com", url="https://hooks.example.com/calls", auth_id="tenant")
    async with rest(server) as client:
        assert (await client.get_sip_hooks()).hooks == []
        [kept] = (await client.set_sip_hooks([hook])).hooks
        assert (kept.host, kept.url, kept.auth_id) == ("example.com", hook.url, hook.auth_id)
        assert (await client.get_sip_hooks()).hooks == [kept]
        assert (await client.delete_sip_hooks(["EXAMPLE.com"])).hooks == []


ROOM_CALLS: dict[str, Callable[[SaynaClient], Awaitable[object]]] = {
    "token": lambda client: client.get_livekit_token("r", "Ann", "u-1"),
    "rooms": lambda client: client.get_livekit_rooms(),
    "room": lambda client: client.get_livekit_room("r"),
    "remove": lambda client: client.remove_livekit_participant("r", "u-1"),
    "mute": lambda client: client.mute_livekit_participant_track("r", "u-1", "t", muted=True),
    "call": lambda client: client.sip_call("r", "Ann", "u-1", "+15550001", "+15550002"),
    "transfer": lambda client: client.sip_transfer_rest("r", "u-1", "+15550001"),
    "recording": lambda client: client.get_recording("s"),
}


@pytest.mark.parametrize("name", ROOM_CALLS)
async def test_what_needs_rooms_or_storage_fails_with_the_clients_own_error(
    name: str, server: RunningServer
) -> None:
    async with rest(server) as client:
        with pytest.raises(SaynaServerError) as failed:
            await ROOM_CALLS[name](client)
    assert failed.value.status_code is not None
    assert failed.value.status_code >= 500

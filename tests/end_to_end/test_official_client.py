"""The official client, unmodified, against a real server process with local engines only."""

import io
import logging
import wave
from collections.abc import Generator

import pytest
from sayna_client import SaynaClient, STTConfig, TTSConfig
from sayna_client.errors import SaynaConnectionError, SaynaValidationError

from tests.end_to_end.official_client import conversation, rest
from tests.running import RunningServer, running_server

pytestmark = pytest.mark.slow

SENTENCE = "turn off the kitchen light"
"""A sentence of the demonstration grammar."""
STT = STTConfig(
    provider="local",
    language="en-US",
    sample_rate=16_000,
    channels=1,
    punctuation=True,
    encoding="linear16",
    model="grammar:demo",
)
TTS = TTSConfig(provider="local", model="", sample_rate=16_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer, None, None]:
    with running_server(tmp_path_factory.mktemp("open")) as running:
        yield running


@pytest.fixture(scope="module")
def guarded_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[RunningServer, None, None]:
    settings = {"AUTH_REQUIRED": "true", "AUTH_API_SECRET": "the-right-key"}
    with running_server(tmp_path_factory.mktemp("guarded"), environment=settings) as running:
        yield running


async def test_health_is_ok(server: RunningServer) -> None:
    async with rest(server) as client:
        assert (await client.health()).status == "OK"


async def test_voices_are_listed_by_provider(server: RunningServer) -> None:
    async with rest(server) as client:
        voices = await client.get_voices()
    assert "en-us" in {voice.id for voice in voices["local"]}


async def test_speak_over_rest_returns_audio_of_the_declared_format(server: RunningServer) -> None:
    async with rest(server) as client:
        audio, headers = await client.speak_rest("Hello there.", TTS)
        wav, wav_headers = await client.speak_rest(
            "Hello there.", TTS.model_copy(update={"audio_format": "wav"})
        )
    named = {name.lower(): value for name, value in headers.items()}
    assert named["content-type"] == "audio/pcm"
    assert named["x-sample-rate"] == "16000"
    assert int(named["content-length"]) == len(audio) > 16_000 // 2
    assert {name.lower(): value for name, value in wav_headers.items()}[
        "content-type"
    ] == "audio/wav"
    with wave.open(io.BytesIO(wav)) as reader:
        assert (reader.getframerate(), reader.getnchannels()) == (16_000, 1)


async def test_a_spoken_sentence_comes_back_word_for_word(server: RunningServer) -> None:
    async with rest(server) as client:
        audio, _headers = await client.speak_rest(SENTENCE, TTS)
    async with conversation(server, STT, TTS) as talk:
        quiet = bytes(16_000 * 2 // 2)
        sound = quiet + audio + quiet + quiet
        for at in range(0, len(sound), 640):
            await talk.client.on_audio_input(sound[at : at + 640])
        heard = await talk.until_speech_final()
    assert heard.transcript == SENTENCE
    assert heard.is_final
    assert 0.0 <= heard.confidence <= 1.0
    assert talk.errors == []


async def test_speaking_sends_frames_of_ten_milliseconds_and_one_completion(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="sayna_client.client"):
        async with conversation(server, STT, TTS) as talk:
            await talk.client.speak("Good morning, how are you?")
            await talk.until_complete()
    assert set(talk.frames[:-1]) == {320}
    assert talk.frames[-1] <= 320
    assert len(talk.audio) > 16_000
    assert len(talk.completions) == 1
    assert isinstance(talk.completions[0], int)
    assert caplog.records == []  # the client warns about every message that it does not know


async def test_a_text_in_pieces_is_one_utterance_and_sounds_like_the_whole(
    server: RunningServer,
) -> None:
    async with conversation(server, STT, TTS) as talk:
        await talk.client.speak("Good morning, how are you?")
        await talk.until_complete()
        whole = bytes(talk.audio)
        talk.audio.clear()
        for piece in ("Good morn", "ing,", " how are", " you?"):
            await talk.client.speak(piece, flush=False)
        await talk.client.tts_flush()
        await talk.until_complete(2)
        await talk.client.tts_flush()  # with nothing open it is nothing
        await talk.client.speak("", flush=False)
        await talk.client.clear()
    assert bytes(talk.audio) == whole
    assert len(talk.completions) == 2
    assert talk.errors == []


async def test_nothing_of_a_cleared_utterance_arrives_after_the_next_one_began(
    server: RunningServer,
) -> None:
    async with conversation(server, STT, TTS) as talk:
        await talk.client.speak("This sentence will never be heard to its end. " * 40)
        await talk.client.clear()
        await talk.client.speak("Short.")
        await talk.until_complete()
    whole_long_text_bytes = 16_000 * 2 * 60
    assert len(talk.completions) == 1
    assert len(talk.audio) < whole_long_text_bytes
    assert talk.errors == []


async def test_a_stream_id_is_made_up_and_told(server: RunningServer) -> None:
    async with conversation(server, STT, TTS) as talk:
        assert talk.client.received_stream_id


async def test_a_wrong_key_is_refused_on_rest_and_before_the_upgrade(
    guarded_server: RunningServer,
) -> None:
    async with rest(guarded_server, key="wrong") as client:
        with pytest.raises(SaynaValidationError, match="unauthorized"):
            await client.get_voices()
    client = SaynaClient(guarded_server.url, stt_config=STT, tts_config=TTS, api_key="wrong")
    with pytest.raises(SaynaConnectionError, match="401"):
        await client.connect()
    assert client._session is not None
    await client._session.close()


async def test_the_right_key_opens_both(guarded_server: RunningServer) -> None:
    async with rest(guarded_server, key="the-right-key") as client:
        assert "local" in await client.get_voices()
    async with conversation(guarded_server, STT, TTS, api_key="the-right-key") as talk:
        assert talk.client.ready

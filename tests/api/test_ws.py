"""Conversations over real sockets with a scripted provider behind them."""

import asyncio
import json
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from sayna.api.sockets import UpgradeProtocol
from sayna.api.ws_transport import FAR_BEHIND, MAX_BEHIND
from sayna.errors import NetworkFailed
from sayna.session.session import Session
from sayna.settings.tree import Settings
from sayna.speech.events import Transcript
from tests.api.raw_socket import BINARY, TEXT, open_raw, render_frame
from tests.api.served import CONFIG, CONFIG_TEXT, Served, serve
from tests.fakes.scripted import speech_of
from tests.fakes.session import settle, until

pytestmark = pytest.mark.slow
NO_CLIENT = "LiveKit client not configured. Send config message with livekit configuration first."


async def said(client: ClientConnection) -> Any:  # noqa: ANN401 - whatever JSON says
    """Return the next message: bytes, or what a text says."""
    async with asyncio.timeout(10):
        message = await client.recv()
    return message if isinstance(message, bytes) else json.loads(message)


async def speech(client: ClientConnection) -> bytes:
    """Return the audio up to the completion."""
    audio = b""
    while isinstance(message := await said(client), bytes):
        audio += message
    assert message["type"] == "tts_playback_complete", message
    return audio


async def configured(client: ClientConnection, text: str = CONFIG_TEXT) -> None:
    await client.send(text)
    ready = await said(client)
    assert ready["type"] == "ready", ready


async def fence(client: ClientConnection) -> None:
    await client.send('{"type":"send_message","message":"fence","role":"x"}')
    assert (await said(client))["message"] == NO_CLIENT


async def test_audio_and_speak_sent_right_behind_the_config_are_not_lost() -> None:
    async with serve() as served, connect(served.url) as client:
        served.provider.open_gate = asyncio.Event()
        await client.send(CONFIG_TEXT)
        for number in range(10):
            await client.send(bytes([number]) * 640)
        await client.send('{"type":"speak","text":"hello there"}')
        await client.send(b"\xff" * 640)
        await settle()
        served.provider.open_gate.set()
        assert (await said(client))["type"] == "ready"
        assert await speech(client) == speech_of("hello there")
        await fence(client)
        audio = served.provider.recognizers[0].audio
        assert audio == b"".join(bytes([n]) * 640 for n in range(10)) + b"\xff" * 640
    await served.wait_alone()
    assert served.leftovers == []


async def test_results_and_errors_of_the_recognizer_reach_the_client() -> None:
    async with serve() as served, connect(served.url) as client:
        await configured(client)
        recognizer = served.provider.recognizers[0]
        recognizer.emit(Transcript("he", confidence=0.5))
        recognizer.fail(NetworkFailed("cut"))
        assert await said(client) == {
            "type": "stt_result",
            "transcript": "he",
            "is_final": False,
            "is_speech_final": False,
            "confidence": 0.5,
        }
        assert (await said(client))["message"] == "STT streaming error: Network error: cut"
        await client.send(bytes(640))
        await client.send('{"type":"speak","text":"still here"}')
        assert await speech(client) == speech_of("still here")


async def test_a_clear_overtakes_what_waits_behind_a_config() -> None:
    async with serve() as served, connect(served.url) as client:
        served.provider.open_gate = asyncio.Event()
        await client.send(CONFIG_TEXT)
        await client.send('{"type":"speak","text":"forget me"}')
        await client.send('{"type":"clear"}')
        await client.send('{"type":"speak","text":"say me"}')
        await settle()
        served.provider.open_gate.set()
        assert (await said(client))["type"] == "ready"
        assert await speech(client) == speech_of("say me")


async def test_a_clear_behind_a_config_leaves_what_may_not_be_interrupted() -> None:
    async with serve() as served, connect(served.url) as client:
        served.provider.open_gate = asyncio.Event()
        await client.send(CONFIG_TEXT)
        await client.send('{"type":"speak","text":"forget me"}')
        await client.send('{"type":"speak","text":"keep me","allow_interruption":false}')
        await client.send('{"type":"clear"}')
        await settle()
        served.provider.open_gate.set()
        assert (await said(client))["type"] == "ready"
        assert await speech(client) == speech_of("keep me")


async def test_a_clear_that_protected_speech_forbids_forgets_nothing() -> None:
    async with serve() as served, connect(served.url) as client:
        served.provider.speak_gate = asyncio.Event()
        await configured(client)
        await client.send('{"type":"speak","text":"one","allow_interruption":false}')
        await until(lambda: served.provider.synthesizers[0].spoken)
        await client.send('{"type":"speak","text":"two"}')
        await client.send('{"type":"clear"}')
        await fence(client)
        served.provider.speak_gate.set()
        assert await speech(client) == speech_of("one two")


def speak(text: str, **fields: bool) -> str:
    return json.dumps({"type": "speak", "text": text, **fields})


async def test_texts_without_flush_are_one_utterance_until_one_with_flush() -> None:
    async with serve() as served, connect(served.url) as client:
        await configured(client)
        await client.send(speak("LEN500 a", flush=False))
        await client.send(speak("LEN500 b", flush=False))
        await fence(client)
        await client.send(speak("", flush=True, allow_interruption=True))
        assert await speech(client) == speech_of("LEN500 aLEN500 b")
        await client.send(speak("", flush=True, allow_interruption=True))  # of nothing
        await fence(client)


async def test_a_text_that_does_not_go_on_is_ended_as_the_settings_say() -> None:
    patient = Settings.model_validate({"session": {"open_speak_timeout_s": 0.05}})
    async with serve(patient) as served, connect(served.url) as client:
        await configured(client)
        await client.send(speak("LEN500 a", flush=False))
        await client.send(speak("LEN500 b", flush=False))
        assert await speech(client) == speech_of("LEN500 aLEN500 b")
        await fence(client)


async def test_a_clear_drops_an_open_utterance_with_all_of_it_that_waits() -> None:
    async with serve() as served, connect(served.url) as client:
        served.provider.open_gate = asyncio.Event()
        await client.send(CONFIG_TEXT)
        await client.send(speak("forget", flush=False))
        await client.send(speak(" me", flush=False, allow_interruption=False))
        await client.send('{"type":"clear"}')
        await client.send(speak("say", flush=False))
        await client.send(speak(" me"))
        await settle()
        served.provider.open_gate.set()
        assert (await said(client))["type"] == "ready"
        assert await speech(client) == speech_of("say me")


async def test_a_clear_tears_nothing_off_an_open_utterance_that_is_protected() -> None:
    async with serve() as served, connect(served.url) as client:
        served.provider.open_gate = asyncio.Event()
        await client.send(CONFIG_TEXT)
        await client.send(speak("keep", flush=False, allow_interruption=False))
        await client.send(speak(" all", flush=False))
        await client.send('{"type":"clear"}')
        await client.send(speak(" of it"))
        await settle()
        served.provider.open_gate.set()
        assert (await said(client))["type"] == "ready"
        assert await speech(client) == speech_of("keep all of it")


async def test_a_stopping_server_says_an_open_utterance_as_far_as_it_has_come() -> None:
    async with serve() as served, connect(served.url) as client:
        await configured(client)
        await client.send(speak("One. ", flush=False))
        assert await said(client) == speech_of("One.")
        await client.send(speak("Two", flush=False))
        await fence(client)
        served.stop()
        assert await speech(client) == speech_of("Two")
        with pytest.raises(ConnectionClosed) as closed:
            await said(client)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


async def test_after_a_clear_no_audio_of_what_it_cleared_arrives() -> None:
    async with serve() as served, connect(served.url) as client:
        served.provider.speech = lambda text: (b"A" if "long" in text else b"B") * 320_000
        await configured(client)
        await client.send('{"type":"speak","text":"long story"}')
        assert await said(client)
        await client.send('{"type":"clear"}')
        await client.send('{"type":"speak","text":"short"}')
        audio = await speech(client)
        cleared = audio.rstrip(b"B")
        assert set(cleared) <= {ord("A")}
        assert len(audio) - len(cleared) == 320_000


async def test_a_client_that_does_not_read_stops_neither_hearing_nor_the_others() -> None:
    async with serve() as served, open_raw(served.port) as deaf:
        await deaf.send(render_frame(TEXT, CONFIG_TEXT.encode()))
        assert b"ready" in (await deaf.receive()).payload
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's has it
        served.provider.speech = lambda _text: bytes(64 * 2**20)  # 2000 s
        await deaf.send(render_frame(TEXT, b'{"type":"speak","text":"much"}'))
        recognizer = served.provider.recognizers[0]
        async with connect(served.url) as client:
            await configured(client)
            transports = [
                cast("UpgradeProtocol", one)._connection._transport  # type: ignore[union-attr]
                for one in served.app.state.drain.sockets
            ]
            await until(lambda: not all(transport.writable for transport in transports))
            [behind] = [transport for transport in transports if not transport.writable]
            for number in range(2000):
                recognizer.emit(Transcript(f"interim {number}"))
                if number % 500 == 499:
                    await until(recognizer._events.empty)
            await deaf.send(render_frame(BINARY, b"\7" * 640))
            await until(lambda: recognizer.audio[-640:] == b"\7" * 640)
            assert 0 < len(behind._backlog) <= MAX_BEHIND
            await fence(client)
    await served.wait_alone()
    assert served.leftovers == []


async def test_a_clear_drops_a_text_that_waits_for_the_client_to_read_its_errors() -> None:
    async with serve() as served, open_raw(served.port) as deaf:
        await deaf.send(render_frame(TEXT, CONFIG_TEXT.encode()))
        assert b"ready" in (await deaf.receive()).payload
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's has it
        served.provider.speech = lambda _text: bytes(64 * 2**20)
        await deaf.send(render_frame(TEXT, b'{"type":"speak","text":"much"}'))
        [recognizer], [synthesizer] = served.provider.recognizers, served.provider.synthesizers
        [connection] = [
            cast("UpgradeProtocol", one)._connection for one in served.app.state.drain.sockets
        ]
        assert connection is not None
        await until(lambda: not connection._transport.writable)
        for number in range(FAR_BEHIND):
            recognizer.emit(Transcript(f"final {number}", is_final=True))
        await until(lambda: len(connection._transport._backlog) >= FAR_BEHIND)
        await deaf.send(render_frame(TEXT, speak("later").encode()))
        await deaf.send(render_frame(TEXT, b'{"type":"clear"}'))
        await deaf.send(render_frame(BINARY, b"\7" * 640))
        await until(lambda: recognizer.audio[-640:] == b"\7" * 640)
        deaf.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await deaf.send(render_frame(TEXT, b'{"type":"send_message","message":"x","role":"x"}'))
        while b"LiveKit" not in (await deaf.receive()).payload:
            pass
        assert synthesizer.spoken == ["much"]
    await served.wait_alone()


async def test_an_error_in_the_text_keeps_its_place_among_the_answers() -> None:
    async with serve() as served, connect(served.url) as client:
        served.provider.open_gate = asyncio.Event()
        await client.send(CONFIG_TEXT)
        await client.send("nonsense")
        await settle()
        served.provider.open_gate.set()
        assert (await said(client))["type"] == "ready"
        assert (await said(client))["message"].startswith("Invalid message format: ")


@pytest.mark.parametrize("before", ["", '{"type":"config"}', '{"type":"config","audio":false}'])
async def test_audio_that_is_refused_is_answered_in_its_turn(before: str) -> None:
    async with serve() as served, open_raw(served.port) as raw:
        if before:
            await raw.send(render_frame(TEXT, before.encode()))
            await raw.receive()
        transfer = render_frame(TEXT, b'{"type":"sip_transfer","transfer_to":"x"}')
        audio = bytes(640_000)  # more than is ever kept for somebody who may hear it later
        await raw.send(transfer + render_frame(BINARY, audio) + transfer)
        kinds = [json.loads((await raw.receive()).payload)["type"] for _ in range(3)]
        assert kinds == ["sip_transfer_error", "error", "sip_transfer_error"]


async def test_a_failed_config_may_be_repeated_on_the_same_connection() -> None:
    async with serve() as served, connect(served.url) as client:
        served.provider.open_synthesizer_error = NetworkFailed("no")
        await client.send(CONFIG_TEXT)
        await client.send(bytes(640))
        assert (await said(client))["message"].startswith("Failed to start voice manager: TTS")
        assert (await said(client))["message"].startswith("Voice manager not configured.")
        assert served.leftovers == []
        served.provider.open_synthesizer_error = None
        await configured(client)
        await client.send(CONFIG_TEXT)
        assert "configured already" in (await said(client))["message"]
        await client.send(b"\1\2")
        await fence(client)
        assert served.provider.recognizers[-1].audio == b"\1\2"


async def test_a_client_that_leaves_during_its_config_leaves_nothing_behind() -> None:
    async with serve() as served:
        served.provider.open_gate = asyncio.Event()
        async with connect(served.url) as client:
            await client.send(CONFIG_TEXT)
            await settle()
        assert client.close_code == 1000
        await served.wait_alone()
        assert served.leftovers == []


async def test_a_flood_of_commands_is_answered_in_order_and_not_lost() -> None:
    async with serve() as served, connect(served.url) as client:
        served.provider.open_gate = asyncio.Event()
        await client.send(CONFIG_TEXT)
        sending = asyncio.ensure_future(_flood(client, 2000))
        await settle()
        served.provider.open_gate.set()
        assert (await said(client))["type"] == "ready"
        for number in range(2000):
            assert f"'{'abcdefghij'[number % 10]}'" in (await said(client))["message"]
        await sending


async def _flood(client: ClientConnection, count: int) -> None:
    for number in range(count):
        letter = "abcdefghij"[number % 10]
        await client.send(f'{{"type":"sip_transfer","transfer_to":"{letter}"}}')


async def test_events_asked_for_are_repeated_in_ready() -> None:
    async with serve() as served, connect(served.url) as client:
        await client.send(json.dumps({**CONFIG, "events": ["vad", "call"]}))
        assert (await said(client))["events"] == ["vad", "call"]


async def test_a_rate_of_zero_is_an_error_and_the_connection_lives() -> None:
    async with serve() as served, connect(served.url) as client:
        await client.send(
            json.dumps({**CONFIG, "tts_config": {**CONFIG["tts_config"], "sample_rate": 0}})
        )
        assert (await said(client))["message"].startswith("Failed to create voice manager: TTS")
        await fence(client)


async def test_sixty_sessions_at_once_open_speak_and_close() -> None:
    async with serve() as served, asyncio.TaskGroup() as tasks:
        talks = [tasks.create_task(_talk(served, f"word{number}")) for number in range(60)]
        await asyncio.wait(talks)
        await served.wait_alone()
        assert len(served.provider.recognizers) == 60
        assert served.leftovers == []


async def _talk(served: Served, word: str) -> None:
    async with connect(served.url) as client:
        await configured(client)
        await client.send(json.dumps({"type": "speak", "text": word}))
        assert await speech(client) == speech_of(word)


async def test_an_unforeseen_failure_closes_with_1011_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(self: Session) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Session, "start_loading", fail)
    async with serve() as served:
        async with connect(served.url) as client:
            await configured(client)
            await client.send('{"type":"loading_start"}')
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == 1011
        await served.wait_alone()
        assert served.leftovers == []


FRAMES = st.one_of(
    st.sampled_from(
        [
            (TEXT, CONFIG_TEXT.encode()),
            (TEXT, b'{"type":"speak","text":"a b c","allow_interruption":false}'),
            (TEXT, b'{"type":"clear"}'),
            (TEXT, b'{"type":"loading_start"}'),
            (TEXT, b'{"type":"update_config","turn_detect":{"threshold":9}}'),
            (BINARY, b"\1\2\3"),
        ]
    ),
    st.tuples(st.integers(0, 15), st.binary(max_size=200)),
)
FRAME_LISTS = st.lists(
    st.tuples(FRAMES, st.booleans(), st.booleans(), st.sampled_from([0, 0, 0, 0, 4, 7])),
    max_size=12,
)


async def test_random_frames_never_hurt_the_server_and_leave_nothing_behind() -> None:
    limits = Settings.model_validate({"session": {"drain_timeout_s": 0.1}})
    async with serve(limits) as served:
        loop = asyncio.get_running_loop()

        @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
        @given(FRAME_LISTS, st.binary(max_size=20))
        def attack(frames: list[Any], rest: bytes) -> None:
            asyncio.run_coroutine_threadsafe(_attack(served, frames, rest), loop).result(30)

        await asyncio.to_thread(attack)
        await served.wait_alone()
        assert served.leftovers == []
        async with connect(served.url) as client:
            await configured(client)


async def _attack(served: Served, frames: list[Any], rest: bytes) -> None:
    async with open_raw(served.port) as raw:
        for (opcode, payload), fin, mask, rsv in frames:
            frame = render_frame(opcode, payload, fin=fin, mask=mask or fin, rsv=rsv)
            raw.writer.write(frame)
        raw.writer.write(rest)
        await settle()


async def test_what_was_said_before_comes_again_in_frames_of_normal_size() -> None:
    async with serve() as served:
        served.provider.speech = lambda _text: bytes(range(250)) * 6400  # 50 s
        heard: list[list[bytes]] = []
        for _ in range(2):
            async with connect(served.url) as client:
                await configured(client)
                await client.send('{"type":"speak","text":"a long story"}')
                frames: list[bytes] = []
                while isinstance(message := await said(client), bytes):
                    frames.append(message)
                assert message["type"] == "tts_playback_complete"
                heard.append(frames)
        assert heard[0] == heard[1]
        assert {len(frame) for frame in heard[1]} == {320}
        assert [one.spoken for one in served.provider.synthesizers] == [["a long story"], []]


async def test_a_clear_in_the_middle_of_a_replay_ends_it() -> None:
    async with serve() as served, connect(served.url) as client:
        served.provider.speech = lambda _text: b"A" * 640_000
        await configured(client)
        await client.send('{"type":"speak","text":"long"}')
        await speech(client)
        await client.send('{"type":"speak","text":"long"}')
        assert isinstance(await said(client), bytes)
        await client.send('{"type":"clear"}')
        await fence_behind_audio(client)
        served.provider.speech = speech_of
        await client.send('{"type":"speak","text":"next one"}')
        assert await speech(client) == speech_of("next one")


async def fence_behind_audio(client: ClientConnection) -> None:
    """Read what was on its way until the answer to a command that came after it."""
    await client.send('{"type":"send_message","message":"fence","role":"x"}')
    while isinstance(message := await said(client), bytes) or message["type"] != "error":
        pass

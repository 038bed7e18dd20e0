"""Every frame in every state of a connection, and configs that fail or come twice."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from sayna.errors import NetworkFailed, ProviderMisconfigured
from sayna.settings.tree import Settings
from sayna.speech.events import Transcript
from tests.api.served import CONFIG, CONFIG_TEXT, Served, serve
from tests.fakes.scripted import ScriptedProvider, speech_of
from tests.fakes.session import settle, until

pytestmark = pytest.mark.slow

DISABLED = "Audio processing is disabled. Send config message with audio=true first."
NOT_CONFIGURED = "Voice manager not configured. Send config message with audio=true first."
NO_CLIENT = "LiveKit client not configured. Send config message with livekit configuration first."
NO_ROOM_NAME = "Room name not available. Ensure LiveKit is configured."
NO_ROOMS = "LiveKit room handler not initialized. Check API keys configuration."
BAD_NUMBER = (
    "Invalid phone number: Invalid character '+' at position 2"
    " - plus sign is only allowed at the beginning"
)
BAD_THRESHOLD = "Invalid turn detection threshold: 1.5. Must be between 0.0 and 1.0"
LOADING_NEEDS_CONFIG = "Send a config message first before using loading_start."
LOADING_NEEDS_AUDIO = (
    "Loading indicator requires audio to be enabled. Send a config message with audio=true."
)
LOADING_NEEDS_ROOM = (
    "Loading indicator requires a LiveKit room. Include a livekit configuration in your config"
    " message."
)
CLIP_REFUSED = "loading_audio.data is not valid base64"
TWICE = "This connection is configured already. Open another one for another configuration."

FENCE = '{"type":"sip_transfer","transfer_to":"fence"}'

STATES: Mapping[str, str | None] = {
    "before-config": None,
    "config-without-stt": '{"type":"config"}',
    "config-without-tts": json.dumps({**CONFIG, "tts_config": None}),
    "config-unknown-provider": json.dumps(
        {**CONFIG, "tts_config": {"provider": "nobody", "model": ""}}
    ),
    "config-without-room": json.dumps({**CONFIG, "livekit": {"room_name": "r"}}),
    "config-without-room-bad-clip": json.dumps(
        {**CONFIG, "livekit": {"room_name": "r"}, "loading_audio": {"data": "!"}}
    ),
    "no-audio": '{"type":"config","audio":false}',
    "ready": CONFIG_TEXT,
}
"""How to get into each state."""

NOTHING_STORED = ("before-config", "config-without-stt", "config-without-tts")
FAILED = ("config-unknown-provider", "config-without-room", "config-without-room-bad-clip")

FRAMES: Mapping[str, str | bytes] = {
    "binary": bytes(320),
    "binary-empty": b"",
    "speak": '{"type":"speak","text":"hello"}',
    "speak-without-end": '{"type":"speak","text":"hello","flush":false}',
    "clear": '{"type":"clear"}',
    "send_message": '{"type":"send_message","message":"m","role":"user"}',
    "sip_transfer": '{"type":"sip_transfer","transfer_to":"+1555"}',
    "sip_transfer-bad-number": '{"type":"sip_transfer","transfer_to":"12+3"}',
    "update_config": '{"type":"update_config","turn_detect":{"threshold":0.4}}',
    "update_config-too-high": '{"type":"update_config","turn_detect":{"threshold":1.5}}',
    "loading_start": '{"type":"loading_start"}',
    "loading_stop": '{"type":"loading_stop"}',
}


def answers(frame: str, state: str) -> list[tuple[str, str]]:
    """Return type and text of what a frame is answered with; not for sound when ready."""
    match frame:
        case "binary" | "speak" | "speak-without-end" if state in FAILED:
            return [("error", NOT_CONFIGURED)]
        case "binary" | "speak" | "speak-without-end":
            return [("error", DISABLED)]
        case "clear" if state in FAILED:
            return [("error", NOT_CONFIGURED)]
        case "send_message":
            return [("error", NO_CLIENT)]
        case "sip_transfer":
            return [("sip_transfer_error", NO_ROOM_NAME)]
        case "sip_transfer-bad-number":
            return [("sip_transfer_error", BAD_NUMBER)]
        case "update_config-too-high":
            return [("error", BAD_THRESHOLD)]
        case "loading_start" if state in NOTHING_STORED:
            return [("error", LOADING_NEEDS_CONFIG)]
        case "loading_start" if state == "no-audio":
            return [("error", LOADING_NEEDS_AUDIO)]
        case "loading_start" if state == "config-without-room-bad-clip":
            return [("error", CLIP_REFUSED)]
        case "loading_start":
            return [("error", LOADING_NEEDS_ROOM)]
        case _:
            return []


async def said(client: ClientConnection) -> Any:  # noqa: ANN401 - whatever JSON says
    async with asyncio.timeout(10):
        message = await client.recv()
    return message if isinstance(message, bytes) else json.loads(message)


async def exchange(client: ClientConnection, *frames: str | bytes) -> list[Any]:
    """Send frames; return what comes before the answer to a command that nothing overtakes."""
    for frame in (*frames, FENCE):
        await client.send(frame)
    replies: list[Any] = []
    while True:
        reply = await said(client)
        if isinstance(reply, dict) and "'f' at position 0" in reply.get("message", ""):
            return replies
        replies.append(reply)


async def enter(client: ClientConnection, state: str) -> None:
    """Get into a state."""
    config = STATES[state]
    if config is not None:
        [reply] = await exchange(client, config)
        assert reply["type"] == ("ready" if state in {"ready", "no-audio"} else "error"), reply


SILENT_STATES = [state for state in STATES if state != "ready"]
SOUNDLESS = [frame for frame in FRAMES if not frame.startswith(("binary", "speak"))]


@pytest.mark.parametrize("state", SILENT_STATES)
async def test_a_frame_out_of_order_is_answered_as_documented_and_hurts_nothing(
    state: str,
) -> None:
    async with serve() as served:
        for frame, content in FRAMES.items():
            async with connect(served.url) as client:
                await enter(client, state)
                replies = await exchange(client, content)
                given = [(reply["type"], reply["message"]) for reply in replies]
                assert given == answers(frame, state), (frame, replies)
                assert await exchange(client) == []
        await served.wait_alone()
        assert served.provider.recognizers == []


async def test_in_a_ready_session_every_command_that_needs_no_room_works() -> None:
    async with serve() as served, connect(served.url) as client:
        await enter(client, "ready")
        for frame in SOUNDLESS:
            replies = await exchange(client, FRAMES[frame])
            given = [(reply["type"], reply["message"]) for reply in replies]
            assert given == answers(frame, "ready"), frame
        assert await exchange(client, b"\1\2", b"", b"\3\4") == []
        assert served.provider.recognizers[0].audio == b"\1\2\3\4"
        for frame in ("speak", "clear", "speak"):
            await client.send(FRAMES[frame])
        audio = b""
        while isinstance(message := await said(client), bytes):
            audio += message
        assert audio.endswith(speech_of("hello"))
        assert message["type"] == "tts_playback_complete"


@pytest.mark.parametrize("state", [state for state in SILENT_STATES if state != "no-audio"])
async def test_after_every_failed_config_a_good_one_works(state: str) -> None:
    async with serve() as served, connect(served.url) as client:
        await enter(client, state)
        [ready] = await exchange(client, CONFIG_TEXT)
        assert ready["type"] == "ready"
        assert await exchange(client, b"\1\2") == []
        assert served.provider.recognizers[0].audio == b"\1\2"


async def test_a_failed_config_without_audio_forgets_what_an_earlier_one_had_stored() -> None:
    no_audio = '{"type":"config","audio":false,"livekit":{"room_name":"r"}}'
    async with serve() as served, connect(served.url) as client:
        await enter(client, "config-unknown-provider")
        replies = await exchange(client, no_audio, bytes(320), FRAMES["clear"])
        assert [reply["message"] for reply in replies] == [NO_ROOMS, DISABLED]


async def test_a_config_that_lacks_a_part_leaves_what_an_earlier_one_had_stored() -> None:
    async with serve() as served, connect(served.url) as client:
        await enter(client, "config-unknown-provider")
        replies = await exchange(
            client, '{"type":"config"}', bytes(320), FRAMES["clear"], FRAMES["loading_start"]
        )
        assert [reply["message"] for reply in replies[1:]] == [
            NOT_CONFIGURED,
            NOT_CONFIGURED,
            LOADING_NEEDS_ROOM,
        ]


SECOND_CONFIGS = {
    "the-same": CONFIG_TEXT,
    "another-id": json.dumps({**CONFIG, "stream_id": "other"}),
    "no-audio": '{"type":"config","audio":false}',
    "without-stt": '{"type":"config"}',
    "unknown-provider": STATES["config-unknown-provider"],
    "with-a-room": STATES["config-without-room-bad-clip"],
    "impossible-rate": json.dumps(
        {**CONFIG, "stt_config": {**CONFIG["stt_config"], "sample_rate": 0}}
    ),
}


@pytest.mark.parametrize("name", SECOND_CONFIGS)
async def test_a_second_config_is_refused_and_the_session_does_not_notice(name: str) -> None:
    second = SECOND_CONFIGS[name]
    assert second is not None
    async with serve() as served, connect(served.url) as client:
        await enter(client, "ready")
        gate = served.provider.speak_gates["one two"] = asyncio.Event()
        await client.send('{"type":"speak","text":"one two"}')
        await until(lambda: served.provider.synthesizers[0].spoken)
        replies = await exchange(client, second, b"\1\2", FRAMES["loading_start"])
        assert [reply["message"] for reply in replies] == [TWICE, LOADING_NEEDS_ROOM]
        gate.set()
        assert await said(client) == speech_of("one two")[:320]
        assert await said(client) == speech_of("one two")[320:]
        assert (await said(client))["type"] == "tts_playback_complete"
        [recognizer] = served.provider.recognizers
        [synthesizer] = served.provider.synthesizers
        assert recognizer.audio == b"\1\2"
        assert not recognizer.closed
        assert not synthesizer.closed
        recognizer.emit(Transcript("still here"))
        assert (await said(client))["transcript"] == "still here"
    await served.wait_alone()
    assert served.leftovers == []


async def test_a_second_config_without_audio_before_is_refused_too() -> None:
    async with serve() as served, connect(served.url) as client:
        await enter(client, "no-audio")
        replies = await exchange(client, CONFIG_TEXT, bytes(320))
        assert [reply["message"] for reply in replies] == [TWICE, DISABLED]
        assert served.provider.recognizers == []


def fail_to_open(provider: ScriptedProvider, step: str) -> None:
    """Let a config fail at one of its steps."""
    match step:
        case "recognizer-options":
            provider.open_recognizer_error = ProviderMisconfigured("no such model")
        case "recognizer":
            provider.open_recognizer_error = NetworkFailed("no route")
        case "synthesizer-options":
            provider.open_synthesizer_error = ProviderMisconfigured("no such voice")
        case "synthesizer":
            provider.open_synthesizer_error = NetworkFailed("no route")
        case _:
            raise AssertionError(step)


STEPS = {
    "recognizer-options": (
        "Failed to create voice manager: STT error: Configuration error: no such model"
    ),
    "recognizer": "Failed to start voice manager: STT error: Network error: no route",
    "synthesizer-options": (
        "Failed to create voice manager: TTS error: Invalid configuration: no such voice"
    ),
    "synthesizer": "Failed to start voice manager: TTS error: Network error: no route",
}


@pytest.mark.parametrize("step", STEPS)
async def test_a_config_that_fails_says_why_once_and_leaves_nothing_open(step: str) -> None:
    async with serve() as served, connect(served.url) as client:
        fail_to_open(served.provider, step)
        replies = await exchange(client, CONFIG_TEXT, FRAMES["clear"])
        assert [reply["message"] for reply in replies] == [STEPS[step], NOT_CONFIGURED]
        assert served.leftovers == []
        served.provider.open_recognizer_error = served.provider.open_synthesizer_error = None
        [ready] = await exchange(client, CONFIG_TEXT)
        assert ready["type"] == "ready"
        assert len(served.leftovers) == 2
    await served.wait_alone()
    assert served.leftovers == []


async def test_one_session_is_not_disturbed_by_the_end_or_the_settings_of_another() -> None:
    async with serve() as served, connect(served.url) as first:
        await enter(first, "ready")
        async with connect(served.url) as second:
            await enter(second, "ready")
            assert await exchange(second, FRAMES["update_config"]) == []
            assert thresholds(served) == [0.4, None]
        await until(lambda: thresholds(served) == [None])
        assert len(served.leftovers) == 2
        assert await exchange(first, b"\1\2") == []
        assert served.provider.recognizers[0].audio == b"\1\2"


def thresholds(served: Served) -> Sequence[float | None]:
    """Return the turn thresholds of all sessions, those that have one first."""
    sessions = [one._connection._session for one in served.app.state.drain.sockets]
    found: list[float | None] = [one.turn_threshold for one in sessions if one is not None]
    return sorted(found, key=lambda one: (one is None, one))


async def test_a_session_ends_at_once_whatever_it_is_doing() -> None:
    limits = Settings.model_validate({"session": {"drain_timeout_s": 0.1}})
    async with serve(limits) as served:
        for behind in ([], ['{"type":"speak","text":"never"}'], [b"\1\2", FRAMES["clear"]]):
            served.provider.open_gate = asyncio.Event()  # the config never ends
            async with connect(served.url) as client:
                for frame in (CONFIG_TEXT, *behind):
                    await client.send(frame)
                await settle()
            await served.wait_alone()
        served.provider.open_gate = None
        served.provider.speak_gate = asyncio.Event()  # nor does the voice
        async with connect(served.url) as client:
            await enter(client, "ready")
            await client.send('{"type":"speak","text":"x","allow_interruption":false}')
            await until(lambda: served.provider.synthesizers[-1].spoken)
        await served.wait_alone()
        assert served.leftovers == []
        assert served.provider.synthesizers[-1].cancelled == ["x"]

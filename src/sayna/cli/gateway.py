"""A running Sayna server as its clients see it: what `speak`, `listen` and `doctor` talk to."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import aiohttp

from sayna.cli.sound import Sound

Message = dict[str, object]
"""One text message of `/ws`, parsed."""

FRAME_MS = 20
TAIL_MS = 1_500
"""Silence sent after the sound, so that endpointing hears the end of the last word."""
BURST_S = 3.0
"""So much of a sound is sent at once; a recognizer keeps about five seconds of what waits."""
HASTE = 4.0
"""After the burst, sound goes out so many times as fast as it was spoken."""
CONNECT_S = 10.0
ANSWER_S = 90.0
LONGEST_MESSAGE = 16 * 1024 * 1024


class GatewayError(Exception):
    """The server could not be reached or said no; the text is fit for a terminal."""


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """What `POST /speak` is asked for; None leaves the choice to the server."""

    text: str
    provider: str | None = None
    voice: str | None = None
    audio_format: str = "linear16"
    sample_rate: int = 24_000
    speaking_rate: float | None = None

    def to_json(self) -> Message:
        """Render the flat request shape, in which the provider may be left out."""
        given: dict[str, object | None] = {
            "text": self.text,
            "provider": self.provider,
            "voice_id": self.voice,
            "audio_format": self.audio_format,
            "sample_rate": self.sample_rate,
            "voice_settings": self.speaking_rate and {"speaking_rate": self.speaking_rate},
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Speech:
    """What came back: `audio` is in `audio_format` at `sample_rate` Hz, mono."""

    audio: bytes
    audio_format: str
    sample_rate: int


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """Who shall listen, and how."""

    provider: str = "local"
    model: str = ""
    language: str = "en-US"

    def to_config(self, sound: Sound) -> Message:
        """Render the `config` message for a sound."""
        return {
            "type": "config",
            "stt_config": {
                "provider": self.provider,
                "language": self.language,
                "sample_rate": sound.sample_rate,
                "channels": sound.channels,
                "punctuation": True,
                "encoding": sound.encoding,
                "model": self.model,
            },
            # A session with audio has a voice too, even when nobody asks it to speak.
            "tts_config": {"provider": self.provider, "model": ""},
        }


class Conversation:
    """One `/ws` session that is ready."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def receive(self) -> Message:
        """Return the next text message; audio is passed over.

        Raises:
            GatewayError: the server closed the socket.
        """
        while True:
            frame = await self._socket.receive()
            if frame.type is aiohttp.WSMsgType.TEXT:
                return cast("Message", json.loads(cast("str", frame.data)))
            if frame.type is not aiohttp.WSMsgType.BINARY:
                raise GatewayError(f"the server closed the socket (code {self._socket.close_code})")

    async def configure(self, config: Message) -> None:
        """Send `config` and wait for `ready`.

        Raises:
            GatewayError: the server refused the config, with the server's own words.
        """
        await self._socket.send_json(config)
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self.receive()
        except TimeoutError:
            raise GatewayError(f"no answer to the config within {ANSWER_S:.0f} s") from None
        if answer.get("type") != "ready":
            raise GatewayError(str(answer.get("message", answer)))

    async def transcribe(
        self,
        sound: Sound,
        hear: Callable[[Message], None],
        *,
        realtime: bool = False,
        quiet_s: float = 2.0,
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        """Send a sound and pass every message that comes back to `hear`.

        Args:
            sound: sent in frames of 20 ms, a silent tail after it.
            hear: called for each text message, in order.
            realtime: send at the pace of speech; otherwise 3 s at once, the rest 4 times as fast.
            quiet_s: the end is when nothing came for so long after the last frame was sent.
            until: asked after each message; True ends at once.
        """
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send(sound, realtime=realtime), name="send")
            while True:
                sent_all = sending.done()
                try:
                    async with asyncio.timeout(quiet_s):
                        hear(await self.receive())
                except TimeoutError:
                    if sent_all:
                        break
                if until():
                    break
            sending.cancel()

    async def _send(self, sound: Sound, *, realtime: bool) -> None:
        clock = asyncio.get_running_loop()
        started = clock.time()
        for number, frame in enumerate(sound.frames(FRAME_MS, tail_ms=TAIL_MS)):
            spoken_s = number * FRAME_MS / 1000
            due_s = spoken_s if realtime else (spoken_s - BURST_S) / HASTE
            if (early_s := started + due_s - clock.time()) > 0:
                await asyncio.sleep(early_s)
            async with asyncio.timeout(ANSWER_S):
                await self._socket.send_bytes(frame)


class Gateway:
    """The REST routes and `/ws` of one server."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url = url.rstrip("/")
        self._http = http

    async def get_json(self, path: str) -> object:
        """Return the parsed body of a GET.

        Raises:
            GatewayError: unreachable, or any status but 200.
        """
        async with self._asked("GET", path) as answer:
            return cast("object", await answer.json(content_type=None))

    async def status(self, path: str, *, anonymous: bool = False) -> int:
        """Return the status of a GET, without our key when `anonymous`."""
        headers = {"Authorization": ""} if anonymous else {}
        try:
            async with self._http.get(self._url + path, headers=headers) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise GatewayError(self._unreachable(error)) from error

    async def speak(self, request: SpeechRequest) -> Speech:
        """Have a text spoken.

        Raises:
            GatewayError: unreachable or refused.
        """
        headers = {"Accept": "application/octet-stream"}
        async with self._asked("POST", "/speak", json=request.to_json(), headers=headers) as answer:
            return Speech(
                await answer.read(),
                answer.headers.get("x-audio-format", request.audio_format),
                int(answer.headers.get("x-sample-rate", request.sample_rate)),
            )

    @asynccontextmanager
    async def open_conversation(self, config: Message) -> AsyncGenerator[Conversation, None]:
        """Open `/ws` and configure it; the socket closes with the block.

        Raises:
            GatewayError: unreachable or refused.
        """
        try:
            # aiohttp takes ws:// and http:// alike here.
            socket = await self._http.ws_connect(self._url + "/ws", max_msg_size=LONGEST_MESSAGE)
        except aiohttp.WSServerHandshakeError as error:
            raise GatewayError(_refusal(error.status, error.message)) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise GatewayError(self._unreachable(error)) from error
        async with socket:
            conversation = Conversation(socket)
            await conversation.configure(config)
            yield conversation

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        path: str,
        *,
        json: Message | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        try:
            async with self._http.request(
                method, self._url + path, json=json, headers=headers
            ) as answer:
                if answer.status != 200:
                    raise GatewayError(_refusal(answer.status, await answer.text()))
                yield answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise GatewayError(self._unreachable(error)) from error

    def _unreachable(self, error: Exception) -> str:
        if isinstance(error, aiohttp.InvalidURL):
            return f"{self._url} is not a URL such as http://127.0.0.1:3001"
        why = str(error) or type(error).__name__
        return (
            f"no Sayna server answers at {self._url} ({why}). "
            "Start one with `sayna` or `make run`, or name another with --url."
        )


@asynccontextmanager
async def open_gateway(url: str, api_key: str | None) -> AsyncGenerator[Gateway, None]:
    """Be a client of the server at `url`; its connections close with the block."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    limits = aiohttp.ClientTimeout(total=ANSWER_S, connect=CONNECT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=limits) as http:
        yield Gateway(url, http)


def _refusal(status: int, body: str) -> str:
    """Say what the server said; a missing or wrong key gets its cure."""
    text = body
    try:
        fields: object = json.loads(body)
    except ValueError:
        fields = None
    if isinstance(fields, dict):
        known = cast("dict[str, object]", fields)
        text = str(known.get("message") or known.get("error") or body)
    said = f"the server answered {status}: {text.strip() or 'without a text'}"
    if status == 401:
        said += " (give the key in SAYNA_API_KEY)"
    return said

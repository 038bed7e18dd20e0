"""Deepgram on a port of its own."""

import random
import ssl
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from sayna.session.clock import Clock, LoopClock
from tests.emulators.answers import Refused
from tests.emulators.deepgram.authentication import admit, key_of, subprotocols
from tests.emulators.deepgram.catalogue import list_models, model_uuid
from tests.emulators.deepgram.listen import Listening, open_ear
from tests.emulators.deepgram.listen_options import parse_listen_options
from tests.emulators.deepgram.query import check_query, is_flag
from tests.emulators.deepgram.speak_options import (
    parse_rest_options,
    parse_socket_options,
    parse_text,
)
from tests.emulators.deepgram.speak_socket import SpeakSocket
from tests.emulators.deepgram.speaker import Speaker
from tests.emulators.deepgram.wording import NET_0001, SOCKET_ERROR, new_id, refusal
from tests.emulators.emulated_socket import EmulatedSocket
from tests.emulators.pacing import Pace
from tests.emulators.rules import Quota
from tests.emulators.server import Dialect, Emulator, Exchange, open_emulator
from tests.emulators.speech import Song, Voice

KEY = "test-key"
IDLE_S = 10.0
CONCURRENCY = {"listen": 150, "speak": 15, "speak-socket": 45}
"""Of the pay-as-you-go plan."""
_CONTENT_TYPES = {
    "linear16": "audio/l16;rate={rate};channels=1",
    "mulaw": "audio/mulaw;rate={rate};channels=1",
    "alaw": "audio/alaw;rate={rate};channels=1",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg;codecs=opus",
    "flac": "audio/flac",
    "aac": "audio/aac",
}


@dataclass(slots=True, eq=False)
class Deepgram:
    """What makes the frame a Deepgram.

    Attributes:
        keys: that are let in.
        speaker: says what is to be said.
        hears_tones: streams without a script are really listened to.
        any_model: take every model name.
        concurrency: streams and requests at a time and key.
    """

    keys: frozenset[str]
    speaker: Speaker
    hears_tones: bool = True
    any_model: bool = False
    concurrency: dict[str, int] = field(default_factory=lambda: dict(CONCURRENCY))
    _busy: dict[tuple[str, str | None], int] = field(
        default_factory=dict[tuple[str, str | None], int]
    )

    def dialect(self) -> Dialect:
        """Return the table of routes."""
        return Dialect(
            name="deepgram",
            routes={
                ("GET", "/v1/listen"): self.listen,
                ("GET", "/v1/speak"): self.speak_socket,
                ("POST", "/v1/speak"): self.speak,
                ("GET", "/v1/models"): self.models,
            },
            key_of=key_of,
            refusal=refusal,
            socket_error=SOCKET_ERROR,
        )

    async def listen(self, exchange: Exchange) -> None:
        """Hold a stream of speech to text."""
        admit(exchange, self.keys)
        options = parse_listen_options(exchange.connection.query, any_model=self.any_model)
        async with self._socket(exchange, "listen") as (socket, request_id):
            lines = exchange.emulator.scripts.take(exchange.connection.key)
            ear = open_ear(options, lines, hears_tones=self.hears_tones)
            socket.watch(IDLE_S, *NET_0001)
            await Listening(socket, options, ear, request_id, exchange.emulator.clock).run()

    async def speak_socket(self, exchange: Exchange) -> None:
        """Hold a stream of text to speech."""
        admit(exchange, self.keys)
        options = parse_socket_options(exchange.connection.query, any_model=self.any_model)
        emulator = exchange.emulator
        async with self._socket(exchange, "speak-socket") as (socket, request_id):
            socket.watch(None, *NET_0001)
            await SpeakSocket(
                socket, options, self.speaker, request_id, emulator.clock, emulator.stats
            ).run()

    async def speak(self, exchange: Exchange) -> None:
        """Answer a text with audio."""
        admit(exchange, self.keys)
        options = parse_rest_options(exchange.connection.query, any_model=self.any_model)
        text = parse_text(exchange.request.content_type, exchange.body)
        with self._place(exchange, "speak"):
            audio = await self.speaker.render(text, options)
            dice = random.Random(exchange.connection.number)  # noqa: S311 - not a secret
            chunks = self.speaker.paced(audio, options, exchange.connection, dice)
            headers = {
                "content-type": _CONTENT_TYPES[options.encoding].format(rate=options.rate),
                "dg-request-id": new_id(),
                "dg-model-name": options.voice,
                "dg-model-uuid": model_uuid(options.voice),
                "dg-char-count": str(len(text)),
            }
            await _stream(exchange, chunks, headers)

    async def models(self, exchange: Exchange) -> web.Response:
        """List the models."""
        admit(exchange, self.keys)
        query = exchange.connection.query
        check_query(query, {"include_outdated": is_flag}, frozenset())
        listed = list_models(include_outdated=query.get("include_outdated") == "true")
        return exchange.json(listed, {"dg-request-id": new_id()})

    @asynccontextmanager
    async def _socket(
        self, exchange: Exchange, kind: str
    ) -> AsyncGenerator[tuple[EmulatedSocket, str], None]:
        request_id = new_id()
        chosen = subprotocols(exchange.request)
        with self._place(exchange, kind):
            headers = {"dg-request-id": request_id}
            async with exchange.socket(headers=headers, protocols=chosen) as socket:
                yield socket, request_id

    @contextmanager
    def _place(self, exchange: Exchange, kind: str) -> Generator[None, None, None]:
        """Count a stream or request of a key while it lasts.

        Raises:
            Refused: 429, there are too many.
        """
        whose = (kind, exchange.connection.key)
        usual = Quota(n=self.concurrency[kind], what="concurrency")
        busy = self._busy.get(whose, 0)
        if busy >= exchange.plan.quota("concurrency", usual).n:
            raise Refused(429)
        self._busy[whose] = busy + 1
        try:
            yield
        finally:
            self._busy[whose] -= 1


@asynccontextmanager
async def open_deepgram(
    *,
    key: str = KEY,
    clock: Clock | None = None,
    voice: Voice | None = None,
    pace: Pace | None = None,
    hears_tones: bool = True,
    any_model: bool = False,
    concurrency: Mapping[str, int] | None = None,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    keep_audio: bool = True,
) -> AsyncGenerator[Emulator, None]:
    """Serve Deepgram on 127.0.0.1 within the block.

    Args:
        key: let in; several are separated by commas.
        clock: for all delays; real time when missing.
        voice: `speech.Song` (the voice of `tones`) when missing.
        pace: of audio; twice real time when missing.
        hears_tones: streams without a script are listened to with the ear of `tones`; False hears
            nothing in them.
        any_model: take every model name, known or not.
        concurrency: other limits than `CONCURRENCY`.
        port: 0 is a free one.
        tls: serve https and wss.
        keep_audio: False records the sizes of frames only.
    """
    time = clock or LoopClock()
    deepgram = Deepgram(
        keys=frozenset(key.split(",")),
        speaker=Speaker(voice or Song(), pace or Pace(), time),
        hears_tones=hears_tones,
        any_model=any_model,
        concurrency=CONCURRENCY | dict(concurrency or {}),
    )
    opening = open_emulator(
        deepgram.dialect(), clock=time, port=port, tls=tls, keep_audio=keep_audio
    )
    async with opening as emulator:
        yield emulator


async def _stream(
    exchange: Exchange, chunks: AsyncGenerator[bytes, None], headers: Mapping[str, str]
) -> None:
    """Send audio; like the vendor, not even the headers before its first chunk."""
    async with aclosing(chunks):
        first = await anext(chunks, b"")
        async with exchange.streaming(headers) as body:
            await body.strike()
            if first:
                await body.send(first)
            async for chunk in chunks:
                await body.send(chunk)

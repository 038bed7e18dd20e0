"""`/v1/listen`: audio in, results out, as Deepgram's streaming recognizer has it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from tests.emulators.clock import Clock, sleep
from tests.emulators.deepgram.catalogue import model_uuid
from tests.emulators.deepgram.listen_options import ListenOptions, exceeds_keyterm_limit
from tests.emulators.deepgram.wording import DATA_0000
from tests.emulators.emulated_socket import EmulatedSocket
from tests.emulators.hearing import Deaf, Ear, Line, Script, TonesEar, Word
from tests.emulators.json_objects import parse_object
from tests.emulators.rules import FirstByte
from tests.emulators.segments import Began, Ended, News, Segment, Segmenter

LONGEST_SEGMENT_S = 5.0
ALMOST_NOTHING_S = 0.1
"""A Finalize behind less audio than this is not answered."""
CONFIDENCE = 0.98
_MAGIC = {
    "flac": (b"fLaC",),
    "ogg-opus": (b"OggS",),
    "amr-nb": (b"#!AMR",),
    "amr-wb": (b"#!AMR",),
    None: (b"RIFF", b"OggS", b"fLaC", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1",
           b"\x1aE\xdf\xa3", b"FORM"),
}  # fmt: skip


def open_ear(options: ListenOptions, lines: Sequence[Line], *, hears_tones: bool) -> Ear:
    """Return the ear for a stream: its script, if it has one, otherwise a real one where it can."""
    if lines or not hears_tones or not options.is_raw:
        return Script(lines, options.bytes_per_s)
    try:
        return TonesEar(options.encoding or "", options.sample_rate or 0, options.channels)
    except ValueError:  # a rate that nobody sings at
        return Deaf(options.bytes_per_s)


class Listening:
    """One stream."""

    def __init__(
        self,
        socket: EmulatedSocket,
        options: ListenOptions,
        ear: Ear,
        request_id: str,
        clock: Clock,
    ) -> None:
        self._socket = socket
        self._options = options
        self._ear = ear
        self._request_id = request_id
        self._clock = clock
        self._segments = Segmenter(options.endpoint_s, LONGEST_SEGMENT_S, options.utterance_end_s)
        self._digest = hashlib.sha256()
        self._first_byte = socket.connection.plan.of(FirstByte)
        self._began = False
        self._metadata = {
            "request_id": request_id,
            "model_info": {
                "name": options.model,
                "version": "2025-04-17.21547",
                "arch": "-".join(options.model.split("-")[:2]),
            },
            "model_uuid": model_uuid(options.model),
        }

    async def run(self) -> None:
        """Take messages until the end of the stream."""
        async for message in self._socket.messages():
            if isinstance(message, str):
                is_open = await self._command(message)
            elif message:
                is_open = await self._listen(message)
            else:
                is_open = await self._close_stream()
            if not is_open:
                return

    async def _listen(self, audio: bytes) -> bool:
        if not self._began and not _is_decodable(self._options.encoding, audio):
            await self._socket.close(*DATA_0000)
            return False
        self._began = True
        self._digest.update(audio)
        words = self._ear.hear(audio)
        for news in self._segments.feed(words, self._ear.settled_s):
            await self._tell(news)
        return True

    async def _command(self, text: str) -> bool:
        command = parse_object(text) or {}
        match command:
            case {"type": "KeepAlive"}:
                pass
            case {"type": "Finalize"}:
                await self._finalize()
            case {"type": "CloseStream"}:
                return await self._close_stream()
            case {"type": "Configure"}:
                await self._configure(command)
            case _:
                await self._refuse(text)
        return True

    async def _finalize(self) -> None:
        for news in self._segments.feed(self._ear.flush(), self._ear.settled_s):
            await self._tell(news)
        heard_s = self._ear.heard_s
        if self._segments.pending_s(heard_s) >= ALMOST_NOTHING_S:
            await self._send_results(self._segments.close(heard_s), from_finalize=True)

    async def _close_stream(self) -> bool:
        for news in self._segments.feed(self._ear.finish(), self._ear.settled_s):
            await self._tell(news)
        if self._segments.pending_s(self._ear.heard_s) > 0:
            await self._send_results(self._segments.close(self._ear.heard_s))
        await self._socket.send(self._summary())
        await self._socket.close(1000)
        return False

    async def _configure(self, command: Mapping[str, Any]) -> None:
        keyterms = command.get("keyterms")
        features = command.get("features")
        if not _is_configuration(command, keyterms, features):
            await self._refuse(json.dumps(command))
        elif keyterms is not None and not self._options.is_nova_3:
            await self._fail("CONFIGURE_KEYTERMS_NOT_SUPPORTED", "Keyterms need nova-3.")
        elif keyterms is not None and exceeds_keyterm_limit(keyterms):
            await self._fail("CONFIGURE_KEYTERM_LIMIT_EXCEEDED", "Too many keyterms.")
        else:
            success: dict[str, Any] = {"type": "ConfigureSuccess", "request_id": self._request_id}
            if keyterms is not None:
                success["keyterms"] = keyterms
            await self._socket.send(success)

    async def _fail(self, code: str, description: str) -> None:
        failure = {"type": "ConfigureFailure", "request_id": self._request_id}
        await self._socket.send(failure | {"code": code, "description": description})

    async def _refuse(self, text: str) -> None:
        description = "Could not deserialize last text message."
        error = {"type": "Error", "variant": "SchemaError", "description": description}
        await self._socket.send(error | {"message": text})

    async def _tell(self, news: News) -> None:
        match news:
            case Began(at_s):
                if self._options.vad_events:
                    started = {"type": "SpeechStarted", "channel": [0]}
                    await self._socket.send(started | {"timestamp": _rounded(at_s)})
            case Ended(last_s):
                ended = {"type": "UtteranceEnd", "channel": self._channel}
                await self._socket.send(ended | {"last_word_end": _rounded(last_s)})
            case Segment():
                if news.is_final or self._options.interim_results:
                    await self._send_results(news)

    async def _send_results(self, segment: Segment, *, from_finalize: bool = False) -> None:
        if self._first_byte is not None:
            delay_s, self._first_byte = self._first_byte.ms / 1000, None
            await sleep(self._clock, delay_s)
        results = self._results(segment, from_finalize=from_finalize)
        await self._socket.send(results, is_final=segment.is_final)

    def _results(self, segment: Segment, *, from_finalize: bool) -> dict[str, Any]:
        return {
            "type": "Results",
            "channel_index": self._channel,
            "duration": _rounded(segment.end_s - segment.start_s),
            "start": _rounded(segment.start_s),
            "is_final": segment.is_final,
            "speech_final": segment.ends_speech,
            "channel": {"alternatives": [self._alternative(segment)]},
            "metadata": self._metadata,
            "from_finalize": from_finalize,
        }

    def _alternative(self, segment: Segment) -> dict[str, Any]:
        alternative: dict[str, Any] = {
            "transcript": segment.text,
            "confidence": CONFIDENCE if segment.words else 0.0,
            "words": [self._word(word) for word in segment.words],
        }
        if self._options.language == "multi":
            alternative["languages"] = ["en"] if segment.words else []
        return alternative

    def _word(self, word: Word) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "word": word.text.strip(".,;:!?").lower() or word.text,
            "start": _rounded(word.start_s),
            "end": _rounded(word.end_s),
            "confidence": CONFIDENCE,
        }
        if self._options.punctuate:
            shown["punctuated_word"] = word.text
        if self._options.language == "multi":
            shown["language"] = "en"
        return shown

    def _summary(self) -> dict[str, Any]:
        created = datetime.fromtimestamp(self._clock.epoch_ms() / 1000, UTC)
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self._request_id,
            "sha256": self._digest.hexdigest(),
            "created": created.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "duration": _rounded(self._ear.heard_s),
            "channels": self._options.channels,
        }

    @property
    def _channel(self) -> list[int]:
        return [0, 1]


def _is_decodable(encoding: str | None, audio: bytes) -> bool:
    magic = _MAGIC.get(encoding)
    return magic is None or audio.startswith(magic)


def _is_configuration(command: Mapping[str, Any], keyterms: object, features: object) -> bool:
    terms = cast("list[object]", keyterms if isinstance(keyterms, list) else [])
    switches = cast("dict[str, object]", features if isinstance(features, dict) else {})
    return (
        command.keys() <= {"type", "keyterms", "features"}
        and (keyterms is None or isinstance(keyterms, list))
        and (features is None or isinstance(features, dict))
        and all(isinstance(term, str) for term in terms)
        and all(isinstance(switch, bool) for switch in switches.values())
    )


def _rounded(seconds: float) -> float:
    return round(seconds, 3)

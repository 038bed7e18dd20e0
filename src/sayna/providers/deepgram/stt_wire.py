"""Deepgram's listen socket as messages in, events out. No I/O happens here.

One `DeepgramListenWire` speaks for one connection; `providers/ws_loop.py` owns the socket.
Source: https://developers.deepgram.com/reference/speech-to-text/listen-streaming
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from sayna.audio.formats import sample_bytes
from sayna.errors import ProviderError, ProviderRefused
from sayna.providers.deepgram.options import listen_query
from sayna.providers.deepgram.refusals import closing_of, refused_stream
from sayna.providers.wires import Message, Note, Signal, WireEvent
from sayna.speech.events import Transcript
from sayna.speech.options import RecognizerOptions

KEEP_ALIVE_S = 1.0
"""Deepgram gives up after 10 s without audio."""

KEEP_ALIVE = '{"type":"KeepAlive"}'
FINALIZE = '{"type":"Finalize"}'
CLOSE_STREAM = '{"type":"CloseStream"}'


class _Alternative(msgspec.Struct):
    transcript: str
    confidence: float


class _Channel(msgspec.Struct):
    alternatives: list[_Alternative]


class _Results(msgspec.Struct, tag="Results"):
    channel: _Channel
    start: float = 0.0
    duration: float = 0.0
    is_final: bool = False
    speech_final: bool = False
    from_finalize: bool = False


class _UtteranceEnd(msgspec.Struct, tag="UtteranceEnd"):
    pass


class _Metadata(msgspec.Struct, tag="Metadata"):
    request_id: str = ""


class _Error(msgspec.Struct, tag="Error"):
    description: str | None = None
    message: str | None = None
    variant: str | None = None


_Said = _Results | _UtteranceEnd | _Metadata | _Error
_decoder = msgspec.json.Decoder(_Said)


class DeepgramListenWire:
    """One connection to `/v1/listen`.

    Args:
        options: what to listen to; the key is in their credentials.
        ws_url: where Deepgram is.

    Raises:
        ProviderMisconfigured: Deepgram has nothing of the kind.
    """

    greets = False
    keep_alive_s: float | None = KEEP_ALIVE_S

    def __init__(self, options: RecognizerOptions, ws_url: str) -> None:
        self._key = options.credentials.get("api_key", "")
        self.url = f"{ws_url.rstrip('/')}/v1/listen?{listen_query(options)}"
        self.headers: Mapping[str, str] = {"authorization": f"token {self._key}"}
        self._frame_bytes = (sample_bytes(options.encoding.lower()) or 1) * options.channels
        self._carried = b""
        self._finalizing = 0
        self._finishing = False
        self._interim = False  # the last result was one with text
        self._last_final: tuple[float, float, str] | None = None
        self._open_turn = False  # finals came, and no speech-final since

    def opening(self) -> Sequence[Message]:
        """Nothing is sent before audio."""
        return ()

    def encode(self, audio: bytes) -> Message | None:
        """Send audio as it is, in whole samples of all channels; never an empty message."""
        if self._carried or len(audio) % self._frame_bytes:
            audio = self._carried + audio
            whole = len(audio) - len(audio) % self._frame_bytes
            self._carried = audio[whole:]
            audio = audio[:whole]
        return audio or None

    def keep_alive(self) -> Message | None:
        """Return the text that is no audio."""
        return KEEP_ALIVE

    def finalize(self) -> Sequence[Message]:
        """Ask for what is buffered; the answer ends the speech."""
        self._finalizing += 1
        return (FINALIZE,)

    def finish(self) -> Sequence[Message]:
        """Ask for the rest of the results and the end of the stream."""
        self._finishing = True
        return (CLOSE_STREAM,)

    def decode(self, message: Message) -> Iterable[WireEvent]:
        """Read a message; what has another shape than documented is ignored.

        Raises:
            ProviderRefused: Deepgram says what went wrong.
        """
        if isinstance(message, bytes):
            return ()
        try:
            said: _Said = _decoder.decode(message)
        except msgspec.ValidationError:
            return ()
        except (msgspec.DecodeError, UnicodeError):
            return (Note("deepgram_unreadable", {"size": str(len(message))}),)
        if isinstance(said, _Results):
            return self._results(said)
        if isinstance(said, _UtteranceEnd):
            return self._utterance_end()
        if isinstance(said, _Metadata):
            note = Note("deepgram_stream", {"request_id": said.request_id[:80]})
            return (note, Signal.OVER) if self._finishing else (note,)
        raise ProviderRefused(self._complaint(said), retryable=True)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Return what a refused handshake means."""
        return refused_stream(status, headers, body, self._key)

    def closed(self, code: int | None, reason: str) -> ProviderError | None:
        """Return what a Close means; after `finish`, an ordinary one means nothing."""
        if self._finishing and code in {1000, 1005}:
            return None
        return closing_of(code, reason, self._key)

    def _results(self, said: _Results) -> Iterable[WireEvent]:
        if not said.channel.alternatives:
            return ()
        best = said.channel.alternatives[0]
        if said.is_final and self._is_repeated(said, best.transcript):
            return ()
        is_speech_final = said.speech_final
        if said.from_finalize and self._finalizing:
            self._finalizing -= 1
            is_speech_final = True
        has_text = bool(best.transcript.strip())
        taken_back = self._interim and not said.is_final  # an empty interim replaces the last one
        self._interim = has_text and not said.is_final
        if not (has_text or is_speech_final or taken_back):
            return ()
        self._open_turn = not is_speech_final and (said.is_final or self._open_turn)
        confidence = min(1.0, max(0.0, best.confidence))
        return (Transcript(best.transcript, said.is_final, is_speech_final, confidence),)

    def _is_repeated(self, said: _Results, text: str) -> bool:
        """Tell whether this final was just there: the same words at the same place of the audio."""
        before, self._last_final = self._last_final, (said.start, said.duration, text)
        return said.duration > 0 and self._last_final == before

    def _utterance_end(self) -> Iterable[WireEvent]:
        if not self._open_turn:
            return ()
        self._open_turn = False
        return (Transcript("", is_final=True, is_speech_final=True, confidence=1.0),)

    @staticmethod
    def _complaint(said: _Error) -> str:
        if said.description is None or said.message is None:
            return "Unknown error from Deepgram"
        return f"Error: {said.description[:300]}"

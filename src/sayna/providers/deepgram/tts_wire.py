"""Deepgram's speak request and speak socket. No I/O happens here.

Texts go out as they are: Deepgram's own marks for pronunciation in them keep working.
Source: https://developers.deepgram.com/reference/text-to-speech
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from sayna.errors import ProviderError, ProviderRefused
from sayna.providers.deepgram.options import MAX_TEXT_CHARS
from sayna.providers.deepgram.refusals import closing_of, refused_stream
from sayna.providers.wires import Mark, Message, Note, SpeechPart, VendorRequest

FLUSH = '{"type":"Flush"}'
CLEAR = '{"type":"Clear"}'
FLUSHES_PER_WINDOW = (20, 60.0)
"""Flushes that one socket may send, and within how many seconds."""


def speak_request(base_url: str, query: str, key: str, text: str) -> VendorRequest:
    """Return the request that has a text said."""
    return VendorRequest(
        f"{base_url.rstrip('/')}/v1/speak?{query}",
        {"authorization": f"Token {key}", "content-type": "application/json"},
        msgspec.json.encode({"text": text}),
        (key, text),
    )


class _Flushed(msgspec.Struct, tag="Flushed"):
    pass


class _Cleared(msgspec.Struct, tag="Cleared"):
    pass


class _Warning(msgspec.Struct, tag="Warning"):
    code: str = ""


class _Error(msgspec.Struct, tag="Error"):
    description: str = ""
    message: str = ""


_Said = _Flushed | _Cleared | _Warning | _Error
_decoder = msgspec.json.Decoder(_Said)


class DeepgramSpeakWire:
    """One connection to `/v1/speak`.

    Args:
        ws_url: where Deepgram is.
        query: the voice and the format of all that is said.
        key: the account.
    """

    utterances_per_window = FLUSHES_PER_WINDOW

    def __init__(self, ws_url: str, query: str, key: str) -> None:
        self._key = key
        self.url = f"{ws_url.rstrip('/')}/v1/speak?{query}"
        self.headers: Mapping[str, str] = {"authorization": f"token {key}"}

    def opening(self) -> Sequence[Message]:
        """Nothing is sent before a text."""
        return ()

    def say(self, text: str) -> Sequence[Message]:
        """Add to the utterance, at most `MAX_TEXT_CHARS` at a time."""
        pieces = (text[at : at + MAX_TEXT_CHARS] for at in range(0, len(text), MAX_TEXT_CHARS))
        return [msgspec.json.encode({"type": "Speak", "text": piece}).decode() for piece in pieces]

    def end(self) -> Sequence[Message]:
        """Have all of it said; once per utterance, because it is rationed."""
        return (FLUSH,)

    def cancel(self) -> Sequence[Message]:
        """Drop the utterance."""
        return (CLEAR,)

    def decode(self, message: Message) -> Iterable[SpeechPart]:
        """Read a message: binary is audio.

        Raises:
            ProviderRefused: Deepgram says what went wrong.
        """
        if isinstance(message, bytes):
            return (message,)
        try:
            said: _Said = _decoder.decode(message)
        except msgspec.ValidationError:
            return ()
        except (msgspec.DecodeError, UnicodeError):
            return (Note("deepgram_unreadable", {"size": str(len(message))}),)
        if isinstance(said, _Flushed):
            return (Mark.ENDED,)
        if isinstance(said, _Cleared):
            return (Mark.CANCELLED,)
        if isinstance(said, _Warning):
            return (Note("deepgram_warning", {"code": said.code[:80]}),)
        why = (said.description or said.message)[:300] or "Unknown error from Deepgram"
        raise ProviderRefused(why, retryable=True)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Return what a refused handshake means."""
        return refused_stream(status, headers, body, self._key)

    def closed(self, code: int | None, reason: str) -> ProviderError | None:
        """Return what the end of the connection means for an utterance."""
        return closing_of(code, reason, self._key)

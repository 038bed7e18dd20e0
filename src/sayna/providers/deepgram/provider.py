"""The provider `deepgram` put together: streams and requests to one vendor, shared connections."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sayna.audio.convert import Outbound
from sayna.errors import MissingProviderAuth
from sayna.providers.credentials import fingerprint
from sayna.providers.deepgram.options import MAX_TEXT_CHARS, Speaking, plan_speaking
from sayna.providers.deepgram.refusals import refused_request
from sayna.providers.deepgram.stt_wire import DeepgramListenWire
from sayna.providers.deepgram.tts_wire import DeepgramSpeakWire, speak_request
from sayna.providers.deepgram.voices import parse_voices, voices_request
from sayna.providers.http_loop import VendorHttp, open_vendor_http
from sayna.providers.ws_client import CallLater
from sayna.providers.ws_loop import open_stream_recognizer
from sayna.providers.ws_speech import SpeechSockets, open_speech_sockets
from sayna.settings.tree import Settings
from sayna.settings.vendors import DeepgramEndpoints
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import AudioFormat, Provider, Recognizer, Synthesizer, Voice

STALL_LIMIT_S = 5.0
"""Seconds to the first audio and between chunks; Deepgram needs a fraction of one."""

VOICES_LIMIT_S = 5.0


class DeepgramSynthesizer:
    """One session's voice, by one request for each utterance.

    Args:
        http: connections for requests.
        base_url: where Deepgram is.
        options: those of the session; the key is in their credentials.
        plan: what to ask for.
    """

    max_text_chars: int | None = MAX_TEXT_CHARS
    stall_limit_s: float | None = STALL_LIMIT_S
    signs_of_life = 0

    def __init__(
        self, http: VendorHttp, base_url: str, options: SynthesizerOptions, plan: Speaking
    ) -> None:
        self._http = http
        self._base_url = base_url
        self._options = options
        self._key = options.credentials.get("api_key", "")
        self._plan = plan

    @property
    def audio_format(self) -> AudioFormat:
        """What is really delivered."""
        return self._plan.delivers

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        """Yield the audio of one utterance; nothing for a text without words.

        Raises:
            ProviderError: Deepgram refuses or breaks off.
        """
        if not (text := text.strip()):
            return
        request = speak_request(self._base_url, self._plan.query, self._key, text)
        audio = self._http.post_for_audio(
            request,
            refused_request,
            connect_limit_s=self._options.connection_timeout_s,
            limit_s=self._options.request_timeout_s,
        )
        chunks = deliver(audio, self._plan)
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            await chunks.aclose()


class DeepgramStreamingSynthesizer(DeepgramSynthesizer):
    """The same for formats that Deepgram gives over a socket too: texts still being written."""

    def __init__(
        self,
        http: VendorHttp,
        base_url: str,
        options: SynthesizerOptions,
        plan: Speaking,
        speak_texts: Callable[[AsyncIterator[str]], AsyncGenerator[bytes, None]],
    ) -> None:
        super().__init__(http, base_url, options, plan)
        self._speak_texts = speak_texts

    async def speak_stream(self, texts: AsyncIterator[str]) -> AsyncGenerator[bytes, None]:
        """Yield the audio of a text that is still being written.

        Raises:
            ProviderError: Deepgram refuses or breaks off.
        """
        chunks = deliver(self._speak_texts(texts), self._plan)
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            await chunks.aclose()


async def deliver(
    audio: AsyncGenerator[bytes, None], plan: Speaking
) -> AsyncGenerator[bytes, None]:
    """Yield Deepgram's audio as the client asked for it, converted where the plan says so."""
    outbound = None
    try:
        async for chunk in audio:
            if plan.converts_from is None:
                yield chunk
                continue
            if outbound is None:
                wanted = plan.delivers
                outbound = Outbound(plan.converts_from, wanted.name, wanted.sample_rate)
            if converted := outbound.feed(chunk):
                yield converted
        if outbound is not None and (rest := outbound.finish()):
            yield rest
    finally:
        await audio.aclose()


class DeepgramProvider:
    """Deepgram: long-lived, shared by every session of the process.

    Args:
        settings: where Deepgram is.
        server_key: the server's own, for the list of voices.
        http: connections for requests.
        sockets: connections for texts that are still being written.
        tls: shared by all streams; None: without.
        call_later: wakes streams at their limits; `loop.call_later` when missing.
    """

    name = "deepgram"

    def __init__(
        self,
        settings: DeepgramEndpoints,
        server_key: str,
        http: VendorHttp,
        sockets: SpeechSockets,
        tls: ssl.SSLContext | None,
        call_later: CallLater | None = None,
    ) -> None:
        self._base_url = str(settings.base_url)
        self._ws_url = str(settings.ws_url)
        self._server_key = server_key
        self._http = http
        self._sockets = sockets
        self._tls = tls
        self._call_later = call_later

    def open_recognizer(
        self, options: RecognizerOptions
    ) -> AbstractAsyncContextManager[Recognizer]:
        """Connect a stream.

        Raises:
            ProviderError: on entering; Deepgram refuses or cannot be reached.
        """
        return self._open_recognizer(options)

    @asynccontextmanager
    async def _open_recognizer(
        self, options: RecognizerOptions
    ) -> AsyncGenerator[Recognizer, None]:
        wire = DeepgramListenWire(options, self._ws_url)
        async with open_stream_recognizer(
            wire, options, tls=self._tls, call_later=self._call_later
        ) as recognizer:
            yield recognizer

    @asynccontextmanager
    async def open_synthesizer(
        self, options: SynthesizerOptions
    ) -> AsyncGenerator[Synthesizer, None]:
        """Make a voice; it connects when it speaks, to connections that are warm by then.

        Raises:
            ProviderMisconfigured: on entering; Deepgram has nothing of the kind.
        """
        plan = plan_speaking(options)
        self._http.warm(self._base_url)
        if (query := plan.socket_query) is None:
            yield DeepgramSynthesizer(self._http, self._base_url, options, plan)
            return
        key = options.credentials.get("api_key", "")
        account = f"{fingerprint(self.name, options.credentials)} {query}"

        def make_wire() -> DeepgramSpeakWire:
            return DeepgramSpeakWire(self._ws_url, query, key)

        yield DeepgramStreamingSynthesizer(
            self._http,
            self._base_url,
            options,
            plan,
            lambda texts: self._sockets.speak(account, make_wire, texts),
        )

    async def voices(self) -> Sequence[Voice]:
        """List the voices that the server's own key may use.

        Raises:
            MissingProviderAuth: the server has no key.
            ProviderError: Deepgram cannot be asked.
        """
        if not self._server_key:
            raise MissingProviderAuth(
                self.name, "Deepgram API key not configured in server environment"
            )
        request = voices_request(self._base_url, self._server_key)
        return parse_voices(
            await self._http.get_json(request, refused_request, limit_s=VOICES_LIMIT_S)
        )


@asynccontextmanager
async def open_provider(settings: Settings) -> AsyncGenerator[Provider, None]:
    """Offer Deepgram until the block ends."""
    vendors = settings.providers
    secret = vendors.deepgram_api_key
    key = secret.get_secret_value() if secret is not None else ""
    tls = None
    if str(vendors.deepgram.ws_url).startswith("wss:"):  # reading all certificates takes a while
        tls = await asyncio.to_thread(ssl.create_default_context)
    async with open_vendor_http() as http, open_speech_sockets(tls) as sockets:
        yield DeepgramProvider(vendors.deepgram, key, http, sockets, tls)

"""A config becomes open ears and a voice; the only file here that picks concrete parts.

Recognizer and synthesizer open at the same time, each in a task of its own, because a block that
owns a task group must be left by the task that entered it. When one cannot be opened, the other
is closed again before anybody is told.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from sayna.errors import (
    ConnectionFailed,
    InvalidRequest,
    ProviderError,
    ProviderMisconfigured,
    ProviderTimeout,
)
from sayna.providers.cached import SpeechMemory
from sayna.providers.credentials import resolve_credentials
from sayna.session.clock import Clock
from sayna.session.events import Outlet, RepeatLimit
from sayna.session.holding import Held
from sayna.session.listening import Listening
from sayna.session.loading_audio import ClipRequest
from sayna.session.protection import Protection
from sayna.session.revival import open_reviving
from sayna.session.speaking import Speaking, SpeakingLimits
from sayna.settings.tree import Settings, Turn
from sayna.speech.options import Pronunciation, RecognizerOptions, SynthesizerOptions
from sayna.speech.parts import in_parts
from sayna.speech.pronunciation import Pronouncer, PronunciationsRefused
from sayna.speech.protocols import Provider, Recognizer, Synthesizer
from sayna.speech.streaming import with_streaming
from sayna.turns.open_turn import OpenTurn, TurnLimits

RECOGNIZER_LIMIT_S = 10.0
"""Seconds that a recognizer may take to open."""

CLOSING_LIMIT_S = 5.0
"""Seconds that a recognizer or a synthesizer may take to close."""


class ConfigRefused(InvalidRequest):
    """The config cannot become a session; the text is what the client reads."""

    code = "CONFIG_REFUSED"


class Providers(Protocol):
    """Where providers come from; `sayna.providers.registry.Registry` is one."""

    def knows(self, name: str) -> bool:
        """Tell whether the name means anything here."""
        ...

    async def get(self, name: str) -> Provider:
        """Return the provider, open."""
        ...


@dataclass(frozen=True, slots=True)
class SttRequest:
    """What the client wants to be heard with."""

    options: RecognizerOptions
    """`provider` as the client spelled it; without credentials."""
    auth: Mapping[str, object] | None = field(default=None, repr=False)
    drop_while_protected: bool = False
    """Lose results during protected speech instead of holding them."""
    fill_forced_transcript: bool = False
    """A turn that the server ends has its text as the transcript, not only beside it."""
    turn: Mapping[str, int] = field(default_factory=dict[str, int])
    """What differs from the settings' `session.turn`, by the same names."""


@dataclass(frozen=True, slots=True)
class TtsRequest:
    """What the client wants to be spoken to with."""

    options: SynthesizerOptions
    """`provider` as the client spelled it; without credentials."""
    auth: Mapping[str, object] | None = field(default=None, repr=False)
    pronunciations: tuple[Pronunciation, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """A whole config, free of how it was written down."""

    stream_id: str | None = None
    audio: bool = True
    stt: SttRequest | None = None
    tts: TtsRequest | None = None
    room_name: str | None = None
    """The LiveKit room to join; None: the client's own connection carries the audio."""
    loading_audio: ClipRequest | None = None
    events: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """The ears and the voice of one session."""

    listening: Listening
    speaking: Speaking


def resolve(request: SessionRequest, providers: Providers, settings: Settings) -> SessionRequest:
    """Return the request with canonical provider names and credentials, speech to text first.

    Raises:
        SaynaError: a provider is unknown, or there are no usable credentials for it.
    """
    stt, tts = request.stt, request.tts
    if stt is not None:
        provider, credentials = resolve_credentials(
            stt.options.provider, stt.auth, settings, known=providers.knows
        )
        options = replace(stt.options, provider=provider, credentials=credentials)
        stt = replace(stt, options=options, auth=None)
    if tts is not None:
        provider, credentials = resolve_credentials(
            tts.options.provider, tts.auth, settings, known=providers.knows
        )
        voice = replace(tts.options, provider=provider, credentials=credentials)
        tts = replace(tts, options=voice, auth=None)
    return replace(request, stt=stt, tts=tts)


@asynccontextmanager
async def open_media(
    stt: SttRequest,
    tts: TtsRequest,
    *,
    outlet: Outlet,
    providers: Providers,
    settings: Settings,
    clock: Clock,
    memory: SpeechMemory | None = None,
) -> AsyncGenerator[Media, None]:
    """Open recognizer and synthesizer and let them work until the block ends.

    With `memory`, the synthesizer remembers what it says.

    Raises:
        ConfigRefused: one of them could not be opened; nothing is left open then.
    """
    pronouncer = _pronouncer(tts.pronunciations)
    async with asyncio.TaskGroup() as tasks:
        ears = Held(
            lambda: _open_recognizer(providers, stt.options, clock),
            RECOGNIZER_LIMIT_S,
            ConnectionFailed("Connection timeout"),
            CLOSING_LIMIT_S,
        )
        voice = Held(
            lambda: _open_synthesizer(providers, tts.options, memory),
            tts.options.connection_timeout_s,
            ProviderTimeout("Connection timeout"),
            CLOSING_LIMIT_S,
        )
        tasks.create_task(ears.keep(), name="recognizer")
        tasks.create_task(voice.keep(), name="synthesizer")
        outcomes: list[asyncio.Future[Any]] = [ears.opened, voice.opened]
        try:
            await asyncio.wait(outcomes, return_when=asyncio.FIRST_EXCEPTION)
        except asyncio.CancelledError:
            ears.release()
            voice.release()
            raise
        refusal = _refusal(ears.opened, voice.opened)
        if refusal is None:
            media = _connect(
                ears.opened.result(),
                voice.opened.result(),
                pronouncer,
                stt,
                tts,
                outlet,
                settings,
                clock,
            )
            workers = [
                tasks.create_task(media.listening.follow(), name="listening"),
                tasks.create_task(media.speaking.run(), name="speaking"),
            ]
            try:
                yield media
            finally:
                media.listening.finish()
                media.listening.stop_waiting()
                for worker in workers:
                    worker.cancel()
                ears.release()
                voice.release()
        else:
            ears.release()
            voice.release()
    if refusal is not None:  # raised in there it would arrive wrapped in a group
        raise refusal


def _pronouncer(rules: Sequence[Pronunciation]) -> Pronouncer:
    try:
        return Pronouncer(rules)
    except PronunciationsRefused as refused:
        fault = ProviderMisconfigured(str(refused))
        raise ConfigRefused(
            f"Failed to create voice manager: TTS error: {fault.tts_text}"
        ) from refused


def _connect(
    recognizer: Recognizer,
    synthesizer: Synthesizer,
    pronouncer: Pronouncer,
    stt: SttRequest,
    tts: TtsRequest,
    outlet: Outlet,
    settings: Settings,
    clock: Clock,
) -> Media:
    limits = settings.session
    protection = Protection()
    faults = RepeatLimit(clock, limits.repeated_error_interval_s)
    listening = Listening(
        recognizer,
        outlet,
        protection,
        clock,
        faults,
        OpenTurn(_turn_limits(limits.turn, stt.turn), fill_forced=stt.fill_forced_transcript),
        encoding=stt.options.encoding,
        drop_while_protected=stt.drop_while_protected,
    )
    speaking = Speaking(
        synthesizer,
        outlet,
        protection,
        pronouncer,
        SpeakingLimits(
            limits.max_text_chars,
            limits.max_queued_speaks,
            tts.options.request_timeout_s,
            limits.open_speak_timeout_s,
        ),
        clock,
        faults,
    )
    return Media(listening, speaking)


def _turn_limits(usual: Turn, wished: Mapping[str, int]) -> TurnLimits:
    chosen = usual.model_copy(update=dict(wished))
    return TurnLimits(chosen.provider_wait_ms, chosen.hard_limit_ms, chosen.duplicate_window_ms)


@asynccontextmanager
async def _open_recognizer(
    providers: Providers, options: RecognizerOptions, clock: Clock
) -> AsyncGenerator[Recognizer, None]:
    provider = await providers.get(options.provider)
    async with open_reviving(
        lambda: provider.open_recognizer(options), options, clock
    ) as recognizer:
        yield recognizer


@asynccontextmanager
async def _open_synthesizer(
    providers: Providers, options: SynthesizerOptions, memory: SpeechMemory | None
) -> AsyncGenerator[Synthesizer, None]:
    provider = await providers.get(options.provider)
    async with provider.open_synthesizer(options) as opened:
        voice = in_parts(opened)
        remembering = voice if memory is None else memory.wrap(voice, options)
        yield with_streaming(remembering, opened)


def _refusal(
    ears: asyncio.Future[Recognizer], voice: asyncio.Future[Synthesizer]
) -> ConfigRefused | None:
    """Return why there is no session: what is misconfigured first, the voice before the ears."""
    heard, said = _failure(ears), _failure(voice)
    if isinstance(said, ProviderMisconfigured):
        return ConfigRefused(f"Failed to create voice manager: TTS error: {said.tts_text}")
    if isinstance(heard, ProviderMisconfigured):
        return ConfigRefused(f"Failed to create voice manager: STT error: {heard.stt_text}")
    if heard is not None:
        return ConfigRefused(f"Failed to start voice manager: STT error: {heard.stt_text}")
    if said is not None:
        return ConfigRefused(f"Failed to start voice manager: TTS error: {said.tts_text}")
    return None


def _failure(
    opened: asyncio.Future[Recognizer] | asyncio.Future[Synthesizer],
) -> ProviderError | None:
    if not opened.done():
        return None
    error = opened.exception()
    if error is None or isinstance(error, ProviderError):
        return error
    return ConnectionFailed(str(error))

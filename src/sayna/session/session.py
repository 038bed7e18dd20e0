"""One conversation: what each command of the client does in each state. Knows no transport.

    no config yet --config--> ready     everything works
         |                               another config is refused, the session goes on
         `---- config fails ---> failed  nothing is open, another config may come

Commands must be called one after the other; what `hear`, `clear_now` and `open_protection` do
may be asked for in between.
"""

import unicodedata
import uuid
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import numpy as np
import structlog

from sayna.errors import FeatureMissing, ProviderError, RoomsNotConfigured, SaynaError
from sayna.providers.cached import SpeechMemory
from sayna.session.clock import Clock
from sayna.session.events import Outlet, Problem, Ready, RepeatLimit, TransferProblem
from sayna.session.loading_audio import Clip, ClipRefused, read_clip
from sayna.session.opening import (
    ConfigRefused,
    Media,
    Providers,
    SessionRequest,
    open_media,
    resolve,
)
from sayna.settings.tree import Settings

log = structlog.get_logger(__name__)

DISABLED = "Audio processing is disabled. Send config message with audio=true first."
NOT_CONFIGURED = "Voice manager not configured. Send config message with audio=true first."
NO_STT = "STT configuration is required when audio=true"
NO_TTS = "TTS configuration is required when audio=true"
NO_ROOMS = "LiveKit room handler not initialized. Check API keys configuration."
ROOMS_MISSING = "LiveKit rooms are configured, but this version of the server cannot join them."
NO_ROOM_CLIENT = (
    "LiveKit client not configured. Send config message with livekit configuration first."
)
NO_ROOM_NAME = "Room name not available. Ensure LiveKit is configured."
TWICE = "This connection is configured already. Open another one for another configuration."
CLIP_NEEDS_ROOM = "loading_audio requires audio to be enabled and a livekit configuration"
LOADING_NEEDS_CONFIG = "Send a config message first before using loading_start."
LOADING_NEEDS_AUDIO = (
    "Loading indicator requires audio to be enabled. Send a config message with audio=true."
)
LOADING_NEEDS_ROOM = (
    "Loading indicator requires a LiveKit room. Include a livekit configuration in your config"
    " message."
)

MAX_STREAM_ID_CHARS = 256
MAX_REFUSAL_CHARS = 1000
"""Of the text that refuses a config: it repeats names that a client may have made very long."""


class Session:
    """One conversation, from the first message of a client to its last.

    Args:
        media: the block that closes what a config opens.
    """

    def __init__(
        self,
        media: AsyncExitStack,
        outlet: Outlet,
        providers: Providers,
        settings: Settings,
        clock: Clock,
        memory: SpeechMemory | None = None,
    ) -> None:
        self._stack = media
        self._outlet = outlet
        self._providers = providers
        self._settings = settings
        self._clock = clock
        self._memory = memory
        self._repeats = RepeatLimit(clock, settings.session.repeated_error_interval_s)
        self._media: Media | None = None
        self._ready = False
        self._configured = False  # a config passed the presence check
        self._audio = False
        self._clip: Clip | None = None
        self._clip_problem: str | None = None
        self.turn_threshold: float | None = None
        """Probability from which the turn model's verdict counts; None: the server's own."""

    @property
    def hears(self) -> bool:
        """Whether `hear` has ears to pass audio to; else it may answer with a complaint."""
        return self._media is not None

    async def configure(self, request: SessionRequest) -> None:
        """Open what the config asks for and tell `Ready`, or tell why not."""
        if self._ready:
            self._outlet.tell(Problem(TWICE))
            return
        try:
            await self._open(request)
        except SaynaError as error:
            self._outlet.tell(Problem(_shortened(str(error))))
            return
        self._ready = True
        stream_id, problem = _stream_id(request.stream_id)
        public_url = self._settings.livekit.public_url
        self._outlet.tell(Ready(stream_id, public_url, request.events))
        log.info("session_ready", stream_id=stream_id, audio=self._audio)
        for text in (problem, self._clip_problem):  # ahead of `Ready` they would look fatal
            if text is not None:
                self._outlet.tell(Problem(text))

    def hear(self, audio: bytes) -> None:
        """Take audio from the client."""
        if self._media is not None:
            self._media.listening.hear(audio)
        elif audio:
            self.refuse_audio()

    def refuse_audio(self) -> None:
        """Say why there is nobody to hear audio, once in a while."""
        problem = NOT_CONFIGURED if self._audio else DISABLED
        if self._repeats.allows(problem):
            self._outlet.tell(Problem(problem))

    def speak(self, text: str, *, allow_interruption: bool, flush: bool = True) -> None:
        """Queue a text to be said; unless it is flushed, what is said next goes on with it."""
        if self._media is None:
            problem = NOT_CONFIGURED if self._audio else DISABLED
        else:
            try:
                self._media.speaking.speak(text, allow_interruption=allow_interruption, flush=flush)
            except ProviderError as error:
                problem = f"Failed to synthesize speech: TTS error: {error.tts_text}"
            else:
                return
        if flush or self._repeats.allows(problem):  # a text may come in thousands of pieces
            self._outlet.tell(Problem(problem))

    @property
    def open_protection(self) -> bool | None:
        """Whether the open utterance may not be interrupted; None: there is no open one."""
        return None if self._media is None else self._media.speaking.open_protection

    def clear_now(self) -> bool:
        """Stop what is being said, out of turn; False: it may not be interrupted."""
        return self._media is None or self._media.speaking.clear()

    def answer_clear(self) -> None:
        """Say in turn what is wrong with a `clear` whose effect `clear_now` has had already."""
        if self._media is None and self._audio:
            self._outlet.tell(Problem(NOT_CONFIGURED))

    def complain(self, text: str) -> None:
        """Say what was wrong with a message that is no command."""
        self._outlet.tell(Problem(text))

    def send_message(self) -> None:
        """Say that there is no room to send a message to."""
        self._outlet.tell(Problem(NO_ROOM_CLIENT))

    def transfer(self, problem: str | None) -> None:
        """Say why the call cannot be transferred.

        Args:
            problem: what is wrong with the number; None: nothing.
        """
        self._outlet.tell(TransferProblem(problem or NO_ROOM_NAME))

    def set_turn_threshold(self, threshold: float) -> None:
        """Keep the threshold of this session's turn model."""
        if not 0.0 <= threshold <= 1.0:
            given = np.format_float_positional(threshold, trim="-")
            text = f"Invalid turn detection threshold: {given}. Must be between 0.0 and 1.0"
            self._outlet.tell(Problem(text))
            return
        self.turn_threshold = threshold

    def start_loading(self) -> None:
        """Say why the loading sound cannot be played: it needs a room."""
        if not self._configured:
            text = LOADING_NEEDS_CONFIG
        elif not self._audio:
            text = LOADING_NEEDS_AUDIO
        else:
            text = self._clip_problem or LOADING_NEEDS_ROOM
        self._outlet.tell(Problem(text))

    async def wait_spoken(self) -> None:
        """Wait until all that was asked to be said is handed over; nothing stays open for more."""
        if self._media is not None:
            await self._media.speaking.wait_idle()

    def finish_listening(self) -> None:
        """Ask the recognizer for what is left; results held back are told now."""
        if self._media is not None:
            self._media.listening.finish()
            self._media.listening.release()

    async def wait_heard(self) -> None:
        """Wait until the recognizer has told everything after `finish_listening`."""
        if self._media is not None:
            await self._media.listening.wait_over()

    async def _open(self, request: SessionRequest) -> None:
        if request.audio and request.stt is None:
            raise ConfigRefused(NO_STT)
        if request.audio and request.tts is None:
            raise ConfigRefused(NO_TTS)
        self._configured = True
        self._audio = request.audio
        self._load_clip(request)
        if request.audio:
            request = resolve(request, self._providers, self._settings)
        if request.room_name is not None:
            if self._settings.livekit.configured:
                raise FeatureMissing(ROOMS_MISSING)
            raise RoomsNotConfigured(NO_ROOMS)
        if request.audio and request.stt is not None and request.tts is not None:
            self._media = await self._stack.enter_async_context(
                open_media(
                    request.stt,
                    request.tts,
                    outlet=self._outlet,
                    providers=self._providers,
                    settings=self._settings,
                    clock=self._clock,
                    memory=self._memory,
                )
            )

    def _load_clip(self, request: SessionRequest) -> None:
        self._clip = self._clip_problem = None
        if request.loading_audio is None:
            return
        if not request.audio or request.room_name is None:
            self._clip_problem = CLIP_NEEDS_ROOM
            return
        try:
            self._clip = read_clip(request.loading_audio)
        except ClipRefused as refused:
            self._clip_problem = str(refused)


@asynccontextmanager
async def open_session(
    *,
    outlet: Outlet,
    providers: Providers,
    settings: Settings,
    clock: Clock,
    memory: SpeechMemory | None = None,
) -> AsyncGenerator[Session, None]:
    """Hold a conversation; what its config opens is closed with the block, by the same task."""
    async with AsyncExitStack() as media:
        yield Session(media, outlet, providers, settings, clock, memory)


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_REFUSAL_CHARS else f"{text[:MAX_REFUSAL_CHARS]}…"


def _stream_id(wished: str | None) -> tuple[str, str | None]:
    """Return the id to use, and what was wrong with the one wished for."""
    if wished is None:
        return str(uuid.uuid4()), None
    if problem := _stream_id_problem(wished):
        return str(uuid.uuid4()), f"stream_id {problem}; the server has made one"
    return wished, None


def _stream_id_problem(wished: str) -> str | None:
    # It becomes part of a path when the conversation is recorded.
    if not wished.strip():
        return "is blank"
    if len(wished) > MAX_STREAM_ID_CHARS:
        return f"is longer than {MAX_STREAM_ID_CHARS} characters"
    if ".." in wished or any(c in "/\\" or unicodedata.category(c) == "Cc" for c in wished):
        return "contains '..', a slash, a backslash or a control character"
    return None

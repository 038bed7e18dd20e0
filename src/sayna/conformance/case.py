"""What the author of a provider tells about it, so that it can be put to the test.

    CASE = Case(
        "morse",
        open_provider,
        speaking=Speaking(SynthesizerOptions("morse", sample_rate=16_000)),
    )

Nothing here needs pytest.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from sayna.audio.formats import SPEECH_IN, SPEECH_OUT
from sayna.errors import ProviderError
from sayna.providers.registry import OpenProvider
from sayna.settings.tree import Settings
from sayna.speech.options import Credentials, RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import Provider

SENTENCE = "please open the front door"
SHORT_SENTENCE = "thank you"

Speech = Callable[[Provider], Awaitable[bytes]]
"""Returns a recording: s16le mono at the rate of the recognizer's options, without a header."""


@dataclass(frozen=True, slots=True)
class Speaking:
    """How the provider is made to speak."""

    options: SynthesizerOptions
    text: str = SENTENCE
    """Several words, of one to three seconds, in the voice's language."""
    short_text: str = SHORT_SENTENCE
    """Clearly shorter than `text`: half of it or less."""
    formats: tuple[tuple[str, int], ...] = tuple(
        (name, rate) for name in (*SPEECH_OUT, "mp3", "opus") for rate in (8_000, 24_000)
    )
    """`audio_format` and `sample_rate`, Hz; each must be delivered or refused on opening."""
    unknown_voice: str | None = "no-such-voice"
    """A `voice_id` that must be refused; None: any id may be a voice."""
    unknown_format: str | None = "no-such-format"
    """An `audio_format` that must be refused; None: only the vendor knows them all."""
    variation: float = 0.25
    """By how much of its length the same text may differ from one time to the next."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """How the provider is made to listen."""

    options: RecognizerOptions
    speech: Speech | None = None
    """None: nothing is known that it understands, and whatever needs words is skipped."""
    words: str = SENTENCE
    """What `speech` says; case and punctuation do not count."""
    word_errors: float = 0.0
    """The share of words that may be wrong, missing or too many."""
    encodings: tuple[str, ...] = SPEECH_IN
    """`stt_config.encoding`; each must be understood or refused on opening."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to make the engine fail, and what must come of it. Give one of the two options."""

    name: str
    kind: type[ProviderError]
    """What is raised, on opening or later."""
    speaking: SynthesizerOptions | None = None
    """A synthesizer opened with these fails in its first text."""
    hearing: RecognizerOptions | None = None
    """A recognizer opened with these fails while it hears `Hearing.speech`."""
    retryable: bool | None = None
    """What the error says of itself; None: either."""
    passes: bool = False
    """True: it happens once, and the same synthesizer speaks the next text."""


@dataclass(frozen=True, slots=True)
class Case:
    """A provider and what is needed to put it to the test."""

    name: str
    """Canonical: lower case, as clients write it."""
    open_provider: OpenProvider
    """What the entry point of the group `sayna.providers` is."""
    speaking: Speaking | None = None
    """None: it does not speak."""
    hearing: Hearing | None = None
    """None: it does not listen."""
    settings: Settings = field(default_factory=Settings)
    """Those of the server; the command line puts its own here."""
    wrong_credentials: Credentials | None = None
    """What the vendor refuses, `{"api_key": "not-a-key"}`; None: it takes no credentials."""
    faults: tuple[Fault, ...] = ()
    patience_s: float = 60.0
    """How long one check, and opening or closing the provider, may take."""
    close_limit_s: float = 2.0
    """How long it may take to cancel an utterance or to close a stream."""

    def open(self) -> AbstractAsyncContextManager[Provider]:
        """Open the provider as a server with these settings would."""
        return self.open_provider(self.settings)

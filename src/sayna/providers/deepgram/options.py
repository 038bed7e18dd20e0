"""What a client asks for, in Deepgram's words; and what Deepgram cannot do, done here instead.

Source: https://developers.deepgram.com/docs/encoding and /docs/tts-media-output-settings
"""

import math
from dataclasses import dataclass
from urllib.parse import quote

from sayna.audio.convert import check_outbound
from sayna.errors import ProviderMisconfigured
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import AudioFormat

DEFAULT_MODEL = "nova-3"
DEFAULT_VOICE = "aura-asteria-en"
FAMILIES = frozenset({"aura", "aura-1", "aura-2"})
"""Of voices: such a model says nothing that a `voice_id` does not say better."""
ENDPOINTING_MS = 200
"""Silence that ends a segment; Sayna's timers are made for it."""

TURN_TAKING = "flux-"
"""Models with this name speak another protocol (`/v2`)."""

MAX_TEXT_CHARS = 2_000
SPEEDS = (0.7, 1.5)

ENCODINGS = (
    "linear16",
    "linear32",
    "flac",
    "alaw",
    "mulaw",
    "amr-nb",
    "amr-wb",
    "opus",
    "ogg-opus",
    "speex",
    "g729",
)
_INBOUND = {"pcm": "linear16", "ulaw": "mulaw"}

_RAW_RATES = {
    "linear16": (8_000, 16_000, 24_000, 32_000, 48_000),
    "mulaw": (8_000, 16_000),
    "alaw": (8_000, 16_000),
}
_RAW = {
    "": "linear16",
    "linear16": "linear16",
    "pcm": "linear16",
    "wav": "linear16",
    "mulaw": "mulaw",
    "ulaw": "mulaw",
    "alaw": "alaw",
}
_CODED = {
    "mp3": ("mp3", 22_050),
    "mpeg": ("mp3", 22_050),
    "aac": ("aac", 22_050),
    "opus": ("opus", 48_000),
    "ogg": ("opus", 48_000),
    "ogg_opus": ("opus", 48_000),
    "ogg-opus": ("opus", 48_000),
}
_FLAC_RATES = (8_000, 16_000, 22_050, 32_000, 48_000)


def render_query(parameters: dict[str, str]) -> str:
    """Return them percent-encoded, in order."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())


def listen_query(options: RecognizerOptions) -> str:
    """Return the query of `/v1/listen`.

    Raises:
        ProviderMisconfigured: Deepgram has nothing of the kind.
    """
    encoding = options.encoding.strip().lower()
    encoding = _INBOUND.get(encoding, encoding)
    if encoding not in ENCODINGS:
        known = ", ".join(ENCODINGS)
        raise ProviderMisconfigured(
            f"stt_config.encoding {options.encoding[:40]!r} is none of Deepgram's ({known})"
        )
    for field, value in (("sample_rate", options.sample_rate), ("channels", options.channels)):
        if value < 1:
            raise ProviderMisconfigured(f"stt_config.{field} must be positive, not {value}")
    model = options.model.strip() or DEFAULT_MODEL
    if model.lower().startswith(TURN_TAKING):
        raise ProviderMisconfigured(
            f"stt_config.model {model[:80]!r}: Flux models are not supported yet, use a Nova model"
        )
    return render_query(
        {
            "model": model,
            **({"language": options.language.strip()} if options.language.strip() else {}),
            "sample_rate": str(options.sample_rate),
            "channels": str(options.channels),
            "punctuate": "true" if options.punctuation else "false",
            "interim_results": "true",
            "smart_format": "true",
            "encoding": encoding,
            "endpointing": str(ENDPOINTING_MS),
        }
    )


@dataclass(frozen=True, slots=True)
class Speaking:
    """How to have a text said so that the client gets what it asked for."""

    query: str
    """Of `/v1/speak`, for a request."""
    socket_query: str | None
    """The same for a socket; None: sockets do not give this format."""
    delivers: AudioFormat
    """What the client gets."""
    converts_from: int | None = None
    """Hz of the linear16 that Deepgram gives, when it has to be made into what we deliver."""


def plan_speaking(options: SynthesizerOptions) -> Speaking:
    """Choose what to ask Deepgram for.

    A rate or format that it lacks is made here from the next better one that it has. A name that
    nobody here knows goes out as it is: whether it means anything is Deepgram's to say.

    Raises:
        ProviderMisconfigured: the rate is impossible, or the voice needs another protocol.
    """
    voice = wanted_voice(options)
    speed = wanted_speed(options, voice)
    name = options.audio_format.strip().lower()
    rate = options.sample_rate
    model = {"model": voice}
    if (raw := _RAW.get(name)) is not None:
        return _plan_raw(name or "linear16", raw, rate, model, speed)
    if rate < 1:
        raise ProviderMisconfigured(f"tts_config.sample_rate must be positive, not {rate}")
    if name in _CODED:
        encoding, fixed_rate = _CODED[name]
        container = {"container": "ogg"} if encoding == "opus" else {}
        query = render_query({**model, "encoding": encoding, **container, **speed})
        return Speaking(query, None, AudioFormat(name, fixed_rate))
    if name == "flac":
        rate = _at_least(rate, _FLAC_RATES)
    asked = {**model, "encoding": name, "sample_rate": str(rate), **speed}
    return Speaking(render_query(asked), None, AudioFormat(name, rate))


def wanted_voice(options: SynthesizerOptions) -> str:
    """Return the voice: `model` unless it names a family only, else `voice_id`, else the default.

    Raises:
        ProviderMisconfigured: the voice needs another protocol.
    """
    model = options.model.strip()
    if not model or model.lower() in FAMILIES:
        voice = (options.voice_id or "").strip() or DEFAULT_VOICE
    else:
        voice = model
    if voice.lower().startswith(TURN_TAKING):
        raise ProviderMisconfigured(
            f"the voice {voice[:80]!r} is not supported yet (Flux): use an Aura voice"
        )
    return voice


def wanted_speed(options: SynthesizerOptions, voice: str) -> dict[str, str]:
    """Return the parameter `speed`, within limits, or nothing: for 1 and for voices without it."""
    rate = options.speaking_rate
    if not rate > 0 or math.isnan(rate):
        rate = 1.0
    speed = min(max(rate, SPEEDS[0]), SPEEDS[1])
    has_speed = voice.lower().startswith("aura-2-") and voice.lower().endswith(("-en", "-es"))
    return {"speed": f"{speed:.3g}"} if has_speed and speed != 1.0 else {}


def _plan_raw(
    name: str, encoding: str, rate: int, model: dict[str, str], speed: dict[str, str]
) -> Speaking:
    try:
        check_outbound(name, rate)
    except ValueError as error:
        raise ProviderMisconfigured(str(error)) from error
    as_asked = name != "wav" and rate in _RAW_RATES[encoding]
    given = rate if as_asked else _at_least(rate, _RAW_RATES["linear16"])
    asked = {"encoding": encoding if as_asked else "linear16"}
    at = {"sample_rate": str(given)}
    return Speaking(
        render_query({**model, **asked, "container": "none", **at, **speed}),
        render_query({**model, **asked, **at, **speed}),
        AudioFormat(name, rate),
        None if as_asked else given,
    )


def _at_least(rate: int, rates: tuple[int, ...]) -> int:
    return next((one for one in rates if one >= rate), rates[-1])

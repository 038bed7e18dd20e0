"""The two shapes of a `POST /speak` body, and how both become one set of options."""

from collections.abc import Sequence
from typing import Annotated, Any, cast

from pydantic import Field, model_validator

from sayna.api.parsing import Body
from sayna.errors import InvalidRequest
from sayna.speech.options import Credentials, Pronunciation, SynthesizerOptions

MAX_UINT32 = 2**32 - 1
MAX_UINT64 = 2**64 - 1
RATES_HZ = range(8_000, 192_001)
MAX_TIMEOUT_S = 600
DEFAULT_VOICES = {"deepgram": "aura-asteria-en"}
"""Voices of the public API; every other provider knows its own default."""

Rate = Annotated[int, Field(ge=0, le=MAX_UINT32)]
Seconds = Annotated[int, Field(ge=0, le=MAX_UINT64)]


class PronunciationRule(Body):
    """Say `pronunciation` wherever the text has `word`."""

    word: str = Field(examples=["SQL"])
    pronunciation: str = Field(examples=["sequel"])


class VoiceSettings(Body):
    """How it is to be said. Every field may be left out or null."""

    model: str | None = Field(
        default=None, examples=[""], description="Empty: the provider's own choice."
    )
    voice_id: str | None = Field(default=None, examples=["en-us"], description="See `GET /voices`.")
    speaking_rate: float | None = Field(
        default=None, examples=[1.0], description="1.0 is normal speed."
    )
    audio_format: str | None = Field(
        default=None,
        examples=["linear16"],
        description="`linear16` (default), `pcm`, `wav`, `mulaw`, `ulaw`, `alaw`, or what else "
        "the provider makes.",
    )
    sample_rate: Rate | None = Field(
        default=None, examples=[24000], description="Hz, 24000 by default."
    )
    connection_timeout: Seconds | None = Field(default=None, description="Seconds, 30 by default.")
    request_timeout: Seconds | None = Field(default=None, description="Seconds, 60 by default.")
    pronunciations: list[PronunciationRule] | None = None
    auth: dict[str, Any] | None = Field(
        default=None,
        description="Credentials for this request alone, in place of the server's: `api_key`; "
        "for azure also `region`; for google `credentials` (a service account as object or text).",
    )


class TtsConfig(VoiceSettings):
    """Who says it, and how."""

    provider: str = Field(examples=["local"], description="Any case.")


class SpeakRequest(VoiceSettings):
    """A text to say; either with `tts_config`, or with the same fields beside the text.

    With `tts_config` the answer is audio, and fields beside the text are ignored. Without it the
    answer is JSON with the audio in base64, `provider` may be left out, and `voice_settings` fills
    in what is not given beside the text. `Accept` overrules both.
    """

    text: str = Field(examples=["Hello there"])
    tts_config: TtsConfig | None = None
    provider: str | None = Field(
        default=None,
        examples=["local"],
        description="Left out: the first one that the server can use.",
    )
    voice_settings: VoiceSettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _nested_wins(cls, given: Any) -> Any:  # noqa: ANN401 - anything that JSON can say
        """Ignore whatever stands beside a `tts_config`, even what would be wrong there."""
        if not isinstance(given, dict):
            return given
        fields = cast("dict[str, Any]", given)
        if fields.get("tts_config") is None:
            return fields
        return {name: fields[name] for name in ("text", "tts_config") if name in fields}

    @property
    def is_flat(self) -> bool:
        """Whether the fields stand beside the text."""
        return self.tts_config is None

    @property
    def chosen(self) -> VoiceSettings:
        """All that the request says about how, whichever shape it has."""
        if self.tts_config is not None:
            return self.tts_config
        filled = self.voice_settings or VoiceSettings()
        own = {name: getattr(self, name) for name in VoiceSettings.model_fields}
        return filled.model_copy(update={k: v for k, v in own.items() if v is not None})

    @property
    def provider_wish(self) -> str | None:
        """The provider by the name that the client used; None: any."""
        return self.tts_config.provider if self.tts_config is not None else self.provider


def to_options(
    provider: str, credentials: Credentials, chosen: VoiceSettings
) -> SynthesizerOptions:
    """Fill in the defaults.

    Raises:
        InvalidRequest: a number is beyond reason; the text names its field.
    """
    rate = 24_000 if chosen.sample_rate is None else chosen.sample_rate
    if rate not in RATES_HZ:
        raise InvalidRequest(
            f"sample_rate must be between {RATES_HZ[0]} and {RATES_HZ[-1]} Hz, not {rate}"
        )
    speed = chosen.speaking_rate
    return SynthesizerOptions(
        provider=provider,
        model=chosen.model or "",
        voice_id=chosen.voice_id or DEFAULT_VOICES.get(provider),
        speaking_rate=1.0 if speed is None or speed <= 0 else speed,
        audio_format="linear16" if chosen.audio_format is None else chosen.audio_format,
        sample_rate=rate,
        connection_timeout_s=_timeout_s("connection_timeout", chosen.connection_timeout, 30),
        request_timeout_s=_timeout_s("request_timeout", chosen.request_timeout, 60),
        credentials=credentials,
    )


def to_rules(chosen: VoiceSettings) -> Sequence[Pronunciation]:
    """Return the request's pronunciations in its order."""
    rules = chosen.pronunciations or []
    return [Pronunciation(rule.word, rule.pronunciation) for rule in rules]


def _timeout_s(field: str, value: int | None, default: int) -> int:
    if value == 0:
        raise InvalidRequest(f"{field} must be at least 1 second")
    return default if value is None else min(value, MAX_TIMEOUT_S)

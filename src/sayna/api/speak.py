"""`POST /speak`: a text becomes audio, in one answer."""

import base64
import string
from urllib.parse import quote

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from sayna.api.answers import JSON_BODY, answers
from sayna.api.errors import JsonAnswer
from sayna.api.routing import JsonRoute
from sayna.api.services import Services, identity_of, services_of
from sayna.api.speak_request import SpeakRequest, to_options, to_rules
from sayna.errors import (
    AudioRejected,
    InvalidRequest,
    NotConfigured,
    ProviderError,
    ProviderMisconfigured,
    ProviderTimeout,
)
from sayna.providers.credentials import is_configured, resolve_credentials
from sayna.session.synthesis import Speech, SynthesisFailed, synthesize
from sayna.speech.options import SynthesizerOptions
from sayna.speech.pronunciation import Pronouncer

router = APIRouter(route_class=JsonRoute)

CONTENT_TYPES = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "mpeg": "audio/mpeg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "linear16": "audio/pcm",
    "pcm": "audio/pcm",
    "mulaw": "audio/basic",
}
OTHER_CONTENT = "application/octet-stream"
ABOUT_CREDENTIALS = (
    "authentication",
    "authorization",
    "credential",
    "permission denied",
    "unauthorized",
    "forbidden",
    "api error (401",
    "api error (403",
)
PRINTABLE = string.digits + string.ascii_letters + string.punctuation.replace("%", "") + " "
DEFAULT_ORDER = ("deepgram", "elevenlabs", "cartesia", "azure", "google", "local")


class CredentialsRefused(InvalidRequest):
    """The synthesis failed, and the credentials that came with the request are to blame."""

    code = "CREDENTIALS_REFUSED"


class SpeechMetadata(BaseModel):
    """What the audio is."""

    provider: str = Field(examples=["local"])
    model: str = Field(examples=[""])
    voice_id: str = Field(examples=["en-us"], description="Empty: the provider's default.")
    audio_format: str = Field(examples=["linear16"])
    sample_rate: int = Field(examples=[24000], description="Hz.")
    content_type: str = Field(examples=["audio/pcm"])
    bytes: int = Field(examples=[48000], description="Length of the audio before base64.")
    cached: bool = Field(
        examples=[False], description="Whether the audio was made for an earlier request."
    )


class SpeechAnswer(BaseModel):
    """Audio inside JSON."""

    metadata: SpeechMetadata
    audio: str = Field(description="Base64, standard alphabet, padded.")


def _header(text: str) -> dict[str, object]:
    return {"description": text, "schema": {"type": "string"}}


HEADERS = {
    "x-audio-format": _header("What the audio really is: `linear16`, `mulaw`, `wav`, ..."),
    "x-sample-rate": _header("Hz, decimal."),
    "x-voice-id": _header("The voice; empty: the provider's default."),
    "x-cache": _header("`HIT`: the audio was made for an earlier request; else `MISS`."),
}
BINARY = {"schema": {"type": "string", "format": "binary"}}


@router.post(
    "/speak",
    tags=["tts"],
    summary="Say a text",
    response_model=SpeechAnswer,
    responses={
        200: {
            "description": "The whole utterance",
            "headers": HEADERS,
            "content": dict.fromkeys((*sorted(set(CONTENT_TYPES.values())), OTHER_CONTENT), BINARY),
        },
        **JSON_BODY,
        **answers(s500="The provider failed, or nobody configured it"),
    },
)
async def speak(body: SpeakRequest, request: Request) -> Response:
    """Return the audio of a text: raw after a `tts_config`, in JSON without one."""
    services = services_of(request.scope)  # as dependencies they would cost a tenth of the answer
    text = body.text.strip()
    if not text:
        raise InvalidRequest("Text cannot be empty")
    if len(text) > (limit := services.settings.session.max_text_chars):
        raise InvalidRequest(f"text is longer than {limit} characters")
    chosen = body.chosen
    wish = body.provider_wish
    provider, credentials = resolve_credentials(
        default_provider(services) if wish is None else wish,
        chosen.auth,
        services.settings,
        known=services.registry.knows,
    )
    options = to_options(provider, credentials, chosen)
    try:
        speech = await synthesize(
            services.registry,
            options,
            Pronouncer(to_rules(chosen)).apply(text),
            memory=services.memory_of(identity_of(request.scope)),
        )
    except SynthesisFailed as failed:
        if chosen.auth and blames_credentials(failed.cause):
            raise CredentialsRefused(str(failed)) from failed
        raise
    in_json = wants_json(",".join(request.headers.getlist("accept")), default=body.is_flat)
    return render_json(options, speech) if in_json else render_audio(options, speech)


def default_provider(services: Services) -> str:
    """Return the first provider that has an adapter and all that it needs.

    Raises:
        NotConfigured: there is none.
    """
    installed = services.registry.names
    others = [name for name in installed if name not in DEFAULT_ORDER]
    for name in (*DEFAULT_ORDER, *others):
        if name in installed and is_configured(name, services.settings):
            return name
    raise NotConfigured("No speech provider is configured on this server")


def blames_credentials(cause: ProviderError) -> bool:
    """Tell whether other credentials might have helped."""
    if isinstance(cause, ProviderMisconfigured):
        return True
    if isinstance(cause, AudioRejected | ProviderTimeout):
        return False
    told = cause.tts_text.lower()
    return any(word in told for word in ABOUT_CREDENTIALS)


def wants_json(accept: str, *, default: bool) -> bool:
    """Tell whether the answer is to be JSON; `Accept` decides only when it names a kind."""
    named = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if default:
        return not any(kind.startswith("audio/") or kind == OTHER_CONTENT for kind in named)
    return "application/json" in named


def render_audio(options: SynthesizerOptions, speech: Speech) -> Response:
    """Answer with the audio itself."""
    headers = _headers(options, speech)
    return Response(speech.audio, headers=headers, media_type=_content(options, speech))


def render_json(options: SynthesizerOptions, speech: Speech) -> Response:
    """Answer with the audio in base64 and what it is."""
    metadata = {
        "provider": options.provider,
        "model": options.model,
        "voice_id": options.voice_id or "",
        "audio_format": speech.audio_format.name,
        "sample_rate": speech.audio_format.sample_rate,
        "content_type": _content(options, speech),
        "bytes": len(speech.audio),
        "cached": speech.cached,
    }
    audio = base64.b64encode(speech.audio).decode()
    return JsonAnswer({"metadata": metadata, "audio": audio}, headers=_headers(options, speech))


def _content(options: SynthesizerOptions, speech: Speech) -> str:
    """Return the kind of audio; who asks for a format without a name is told none."""
    if not options.audio_format.strip():
        return OTHER_CONTENT
    return CONTENT_TYPES.get(speech.audio_format.name, OTHER_CONTENT)


def _headers(options: SynthesizerOptions, speech: Speech) -> dict[str, str]:
    """Describe the audio; names from the client are percent-encoded where a header needs it."""
    return {
        "x-audio-format": quote(speech.audio_format.name, safe=PRINTABLE),
        "x-sample-rate": str(speech.audio_format.sample_rate),
        "x-voice-id": quote(options.voice_id or "", safe=PRINTABLE),
        "x-cache": "HIT" if speech.cached else "MISS",
    }

"""Settings of the speech providers: credentials, addresses, local engines."""

import os
from typing import Annotated

from pydantic import Field

from sayna.settings.values import (
    Env,
    FilePath,
    Flag,
    HostPort,
    HttpUrl,
    Secret,
    Section,
    Shown,
    Text,
    VendorKey,
    Whole,
    WsUrl,
)

MAX_DEFAULT_PROCESSES = 2


def default_recognizer_processes() -> int:
    """Return 2, or 1 where there is only one processor core."""
    return min(MAX_DEFAULT_PROCESSES, os.cpu_count() or 1)


class DeepgramEndpoints(Section):
    """Where Deepgram is reached; change it for a self-hosted one or an emulator."""

    base_url: Annotated[HttpUrl, Env("DEEPGRAM_BASE_URL")] = "https://api.deepgram.com"
    """Address for requests: speech synthesis and the list of voices."""

    ws_url: Annotated[WsUrl, Env("DEEPGRAM_WS_URL")] = "wss://api.deepgram.com"
    """Address for streams: speech recognition and streamed synthesis."""


class ElevenLabsEndpoints(Section):
    """Where ElevenLabs is reached; change it for a data-residency host or an emulator."""

    base_url: Annotated[HttpUrl, Env("ELEVENLABS_BASE_URL")] = "https://api.elevenlabs.io"
    """Address for requests: speech synthesis and the list of voices."""

    ws_url: Annotated[WsUrl, Env("ELEVENLABS_WS_URL")] = "wss://api.elevenlabs.io"
    """Address for streams: speech recognition and streamed synthesis."""


class CartesiaEndpoints(Section):
    """Where Cartesia is reached; change it for an emulator."""

    base_url: Annotated[HttpUrl, Env("CARTESIA_BASE_URL")] = "https://api.cartesia.ai"
    """Address for requests: speech synthesis and the list of voices."""

    ws_url: Annotated[WsUrl, Env("CARTESIA_WS_URL")] = "wss://api.cartesia.ai"
    """Address for streams: speech recognition and streamed synthesis."""


class AzureEndpoints(Section):
    """Where Azure Speech is reached; leave it out and the region decides."""

    base_url: Annotated[HttpUrl | None, Env("AZURE_SPEECH_BASE_URL")] = Field(
        default=None, examples=["https://speech.example"]
    )
    """Address for requests, in place of the region's own."""

    ws_url: Annotated[WsUrl | None, Env("AZURE_SPEECH_WS_URL")] = Field(
        default=None, examples=["wss://speech.example"]
    )
    """Address for streams, in place of the region's own."""


class GoogleEndpoints(Section):
    """Where Google Cloud is reached; change it for a regional host or an emulator."""

    speech_endpoint: Annotated[HostPort, Env("GOOGLE_SPEECH_ENDPOINT")] = (
        "speech.googleapis.com:443"
    )
    """Speech recognition over gRPC, host:port."""

    tts_endpoint: Annotated[HostPort, Env("GOOGLE_TTS_ENDPOINT")] = (
        "texttospeech.googleapis.com:443"
    )
    """Speech synthesis over gRPC, host:port."""

    insecure: Annotated[Flag, Env("GOOGLE_INSECURE")] = False
    """Speak to both without TLS and without credentials, as an emulator wants it."""


class Local(Section):
    """The provider `local`: engines that run on this machine and need no key."""

    grammars_path: Annotated[FilePath | None, Env("LOCAL_GRAMMARS_PATH")] = Field(
        default=None, examples=["/var/lib/sayna/grammars"]
    )
    """Folder with grammars for recognition; `model: "grammar:menu"` reads `menu.gram` there."""

    models_path: Annotated[FilePath | None, Env("LOCAL_MODELS_PATH")] = Field(
        default=None, examples=["/var/lib/sayna/models"]
    )
    """Folder with models of your own for vosk, sherpa-onnx, faster-whisper, piper and kokoro."""

    recognizer_processes: Annotated[
        Whole,
        Env("LOCAL_RECOGNIZER_PROCESSES"),
        Field(ge=1, le=256),
        Shown("2, or 1 on a machine with one core"),
    ] = Field(default_factory=default_recognizer_processes, examples=["2"])
    """Worker processes that share the recognition."""

    max_recognizers_per_process: Annotated[
        Whole, Env("LOCAL_MAX_RECOGNIZERS_PER_PROCESS"), Field(ge=1, le=1024)
    ] = 8
    """Recognitions that one worker process carries at the same time."""


class Providers(Section):
    """Speech vendors: the keys that clients use when they bring none of their own."""

    deepgram_api_key: Annotated[VendorKey | None, Env("DEEPGRAM_API_KEY")] = None
    """Key for Deepgram."""

    elevenlabs_api_key: Annotated[VendorKey | None, Env("ELEVENLABS_API_KEY")] = None
    """Key for ElevenLabs."""

    google_credentials: Annotated[
        Secret | None, Env("GOOGLE_APPLICATION_CREDENTIALS", blank_counts=True)
    ] = Field(default=None, examples=["/etc/sayna/google.json"])
    """Google service account, a path or its JSON; `""` = application default credentials."""

    azure_speech_subscription_key: Annotated[
        VendorKey | None, Env("AZURE_SPEECH_SUBSCRIPTION_KEY")
    ] = None
    """Subscription key for Azure Speech."""

    azure_speech_region: Annotated[Text | None, Env("AZURE_SPEECH_REGION")] = Field(
        default=None, examples=["eastus"]
    )
    """Region of the Azure subscription; `eastus` is used when none is named."""

    cartesia_api_key: Annotated[VendorKey | None, Env("CARTESIA_API_KEY")] = None
    """Key for Cartesia."""

    tones: Annotated[Flag, Env("TONES_PROVIDER")] = False
    """Offer the provider `tones`, which sings every text as beeps; for tests and demonstrations."""

    tones_final_gap_ms: Annotated[Whole, Env("TONES_FINAL_GAP_MS"), Field(ge=100, le=600_000)] = 300
    """Silence after which what the provider `tones` heard is final, ms."""

    tones_speech_final_gap_ms: Annotated[
        Whole, Env("TONES_SPEECH_FINAL_GAP_MS"), Field(ge=100, le=600_000)
    ] = 800
    """Silence after which the provider `tones` takes the speech to be over, ms."""

    deepgram: DeepgramEndpoints = DeepgramEndpoints()
    """Where Deepgram is reached."""

    elevenlabs: ElevenLabsEndpoints = ElevenLabsEndpoints()
    """Where ElevenLabs is reached."""

    cartesia: CartesiaEndpoints = CartesiaEndpoints()
    """Where Cartesia is reached."""

    azure: AzureEndpoints = AzureEndpoints()
    """Where Azure Speech is reached."""

    google: GoogleEndpoints = GoogleEndpoints()
    """Where Google Cloud is reached."""

    local: Local = Local()
    """Engines on this machine."""

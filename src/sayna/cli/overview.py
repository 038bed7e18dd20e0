"""What a server started with these settings can do: a line for each part, never a secret."""

from importlib.util import find_spec

from sayna.cli.configuration import models_folder
from sayna.inference.downloads import missing
from sayna.providers.registry import CLOUDS, offered
from sayna.settings.tree import Settings

ENGINES = {
    "espeak-ng": "espeakng_loader",
    "pocketsphinx": "pocketsphinx",
    "vosk": "vosk",
    "sherpa": "sherpa_onnx",
    "whisper": "faster_whisper",
    "piper": "piper",
    "kokoro": "kokoro_onnx",
}
"""Local engines and the module whose presence means that the engine is installed."""


def installed_engines() -> list[str]:
    """Name the local engines found on this machine, without importing any."""
    return [name for name, module in ENGINES.items() if find_spec(module) is not None]


def clouds_with_credentials(settings: Settings) -> list[str]:
    """Name the cloud vendors whose credentials were given, in the order they are tried."""
    providers = settings.providers
    given = {
        "deepgram": providers.deepgram_api_key,
        "elevenlabs": providers.elevenlabs_api_key,
        "cartesia": providers.cartesia_api_key,
        "azure": providers.azure_speech_subscription_key,
        "google": providers.google_credentials,
    }
    return [name for name, credential in given.items() if credential is not None]


def auth_mode(settings: Settings) -> str:
    """Say how callers are told apart: `off`, `api secrets (2)` or `delegated`."""
    auth = settings.auth
    if not auth.required:
        return "off"
    if auth.api_secrets:
        return f"api secrets ({len(auth.api_secrets)})"
    return "delegated"


def speakers(settings: Settings) -> list[str]:
    """Name the providers that can serve, and the vendors whose key is set for nothing."""
    installed = installed_providers(settings)
    names = [
        name if name in installed else f"{name} (key set, but no adapter installed)"
        for name in clouds_with_credentials(settings)
    ]
    if engines := installed_engines():
        names.append(f"local ({', '.join(engines)})")
    return names + [name for name in installed if name not in (*CLOUDS, "local")]


def installed_providers(settings: Settings) -> list[str]:
    """Return the names of all providers that have an adapter, alphabetically."""
    return sorted(offered(settings))


def overview(settings: Settings) -> list[str]:
    """Return the lines that a start prints below its address."""
    parts = {
        "auth": auth_mode(settings),
        "providers": ", ".join(speakers(settings)) or "none",
        "livekit": "on" if settings.livekit.configured else "off",
        "sip": "on" if settings.sip is not None else "off",
        "recording": settings.recording.backend.type if settings.recording.backend else "off",
        "cache": str(settings.cache.path) if settings.cache.path else "in memory",
        "models": _models(settings),
    }
    return [f"  {part:<10} {state}" for part, state in parts.items()]


def _models(settings: Settings) -> str:
    folder = models_folder(settings)
    if folder is None:
        return "off (no cache path)"
    lacking = len(missing(folder))
    return f"{lacking} not fetched (sayna init)" if lacking else "fetched"

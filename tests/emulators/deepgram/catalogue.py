"""The models that the emulator has, as `GET /v1/models` lists them."""

import uuid
from typing import Any

NAMESPACE = uuid.UUID("5a1f6a52-6f8c-4d7e-9b53-0d9d1f0a6c11")

LISTEN_FAMILIES = {
    "nova-3": ("general", "medical"),
    "nova-2": ("general", "meeting", "finance", "conversationalai", "voicemail", "video", "medical",
               "drivethru", "automotive", "phonecall", "atc"),
    "nova": ("general", "phonecall", "medical"),
    "enhanced": ("general", "meeting", "phonecall", "finance"),
    "base": ("general", "meeting", "phonecall", "finance", "conversationalai", "voicemail",
             "video"),
}  # fmt: skip

LISTEN_MODELS = frozenset(
    {"custom", *LISTEN_FAMILIES}
    | {f"{family}-{name}" for family, names in LISTEN_FAMILIES.items() for name in names}
    | set(LISTEN_FAMILIES["base"][1:])
)
"""What `model` may be."""

_AURA_1 = ("angus", "arcas", "asteria", "athena", "helios", "hera", "luna", "orion", "orpheus",
           "perseus", "stella", "zeus")  # fmt: skip
_AURA_2 = {
    "en": ("amalthea", "andromeda", "apollo", "arcas", "aries", "asteria", "athena", "atlas",
           "aurora", "callista", "cora", "cordelia", "delia", "draco", "electra", "harmonia",
           "helena", "hera", "hermes", "hyperion", "iris", "janus", "juno", "jupiter", "luna",
           "mars", "minerva", "neptune", "odysseus", "ophelia", "orion", "orpheus", "pandora",
           "phoebe", "pluto", "saturn", "selene", "thalia", "theia", "vesta", "zeus"),
    "es": ("agustina", "alvaro", "antonia", "aquila", "carina", "celeste", "diana", "estrella",
           "gloria", "javier", "luciano", "nestor", "olivia", "selena", "silvia", "sirio",
           "valerio"),
    "de": ("aurelia", "elara", "fabian", "julius", "kara", "lara", "viktoria"),
    "nl": ("beatrix", "cornelia", "daphne", "hestia", "lars", "leda", "rhea", "roman", "sander"),
    "fr": ("agathe", "hector"),
    "it": ("cesare", "cinzia", "demetra", "dionisio", "elio", "flavio", "livia", "maia", "melia"),
    "ja": ("ama", "ebisu", "fujin", "izanami", "uzume"),
}  # fmt: skip
_MASCULINE = frozenset({
    "angus", "arcas", "helios", "orion", "orpheus", "perseus", "zeus", "apollo", "aries", "atlas",
    "draco", "hermes", "hyperion", "jupiter", "mars", "neptune", "odysseus", "pluto", "saturn",
    "alvaro", "aquila", "javier", "luciano", "nestor", "sirio", "valerio", "fabian", "julius",
    "lars", "roman", "sander", "hector", "cesare", "dionisio", "elio", "flavio", "ebisu", "fujin",
})  # fmt: skip

VOICES = {f"aura-{name}-en": ("aura", name, "en") for name in _AURA_1} | {
    f"aura-2-{name}-{language}": ("aura-2", name, language)
    for language, names in _AURA_2.items()
    for name in names
}
"""By id: architecture, name, language."""

_REGIONS = {"en": ["en", "en-US"], "es": ["es", "es-419"]}


def model_uuid(name: str, version: str = "") -> str:
    """Return the same id for the same model every time."""
    return str(uuid.uuid5(NAMESPACE, f"{name} {version}".strip()))


def list_models(*, include_outdated: bool) -> dict[str, Any]:
    """Return the body of `GET /v1/models`; outdated versions stand beside the newest."""
    versions = ["2025-04-17.0"] + (["2024-01-09.0"] if include_outdated else [])
    listening = [
        _listening(family, name, version)
        for family, names in LISTEN_FAMILIES.items()
        for name in names
        for version in versions
    ]
    speaking = [_speaking(voice, version) for voice in VOICES for version in versions]
    return {"stt": listening, "tts": speaking}


def _listening(family: str, name: str, version: str) -> dict[str, Any]:
    canonical = f"{family}-{name}"
    return {
        "name": name,
        "canonical_name": canonical,
        "architecture": family,
        "languages": ["en", "en-US"] + (["multi"] if family == "nova-3" else []),
        "version": version,
        "uuid": model_uuid(canonical, version),
        "batch": True,
        "streaming": True,
        "formatted_output": family.startswith("nova"),
    }


def _speaking(voice: str, version: str) -> dict[str, Any]:
    architecture, name, language = VOICES[voice]
    return {
        "name": name,
        "canonical_name": voice,
        "architecture": architecture,
        "languages": _REGIONS.get(language, [language]),
        "version": version,
        "uuid": model_uuid(voice, version),
        "metadata": {
            "accent": "American" if language == "en" else language,
            "age": "Adult",
            "color": "#7B61FF",
            "image": f"https://static.deepgram.com/examples/avatars/{name}.jpg",
            "sample": f"https://static.deepgram.com/examples/{voice}.wav",
            "tags": ["masculine" if name in _MASCULINE else "feminine", "clear"],
            "use_cases": ["IVR"],
        },
    }

"""Deepgram's list of models as voices. No I/O happens here.

Source: https://developers.deepgram.com/reference/manage/models/list
"""

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from sayna.errors import ProviderRefused
from sayna.providers.deepgram.options import TURN_TAKING
from sayna.providers.wires import VendorRequest
from sayna.speech.languages import language_name
from sayna.speech.protocols import Voice

_GENDERS = (("Female", {"feminine", "female"}), ("Male", {"masculine", "male"}))


def voices_request(base_url: str, key: str) -> VendorRequest:
    """Return the request for all models."""
    headers = {"authorization": f"Token {key}"}
    return VendorRequest(f"{base_url.rstrip('/')}/v1/models", headers, None, (key,))


def parse_voices(body: bytes) -> Sequence[Voice]:
    """Read the answer: each voice once, whatever versions of it there are.

    Raises:
        ProviderRefused: it is something else.
    """
    try:
        models = msgspec.json.decode(body, type=dict[str, Any]).get("tts", [])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProviderRefused("Deepgram's list of voices makes no sense") from error
    voices: dict[str, Voice] = {}
    for model in cast("list[object]", models if isinstance(models, list) else []):
        if isinstance(model, dict):
            voice = _voice(cast("dict[str, Any]", model))
            if voice.id and not voice.id.startswith(TURN_TAKING):
                voices.setdefault(voice.id, voice)
    return list(voices.values())


def _voice(model: dict[str, Any]) -> Voice:
    about = model.get("metadata")
    details = cast("dict[str, Any]", about) if isinstance(about, dict) else {}
    languages = _texts(model.get("languages"))
    tags = set(_texts(details.get("tags")))
    identity = _text(model.get("canonical_name"))
    return Voice(
        identity,
        _text(model.get("name")) or identity,
        _language(languages[0]) if languages else "Unknown",
        _text(details.get("accent")) or "Unknown",
        next((gender for gender, words in _GENDERS if tags & words), "Unknown"),
        _text(details.get("sample")),
    )


def _language(code: str) -> str:
    """Name English only: clients have always read the code of every other language."""
    name = language_name(code)
    return name if name == "English" else code


def _texts(value: object) -> list[str]:
    values = cast("list[object]", value) if isinstance(value, list) else []
    return [one for one in values if isinstance(one, str) and one]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

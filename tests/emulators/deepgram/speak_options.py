"""The query and body of `/v1/speak`, checked as the vendor does."""

from dataclasses import dataclass

from multidict import MultiMapping

from tests.emulators.answers import Refused
from tests.emulators.deepgram.catalogue import VOICES
from tests.emulators.deepgram.query import (
    Check,
    check_query,
    is_flag,
    is_number,
    is_text,
    is_url,
    is_whole,
    one_of,
)
from tests.emulators.deepgram.wording import bad_format, bad_json
from tests.emulators.json_objects import parse_object

MAX_CHARACTERS = 2000
DEFAULT_VOICE = "aura-asteria-en"
TELEPHONE = (8_000, 16_000)
RATES = {
    "linear16": (8_000, 16_000, 24_000, 32_000, 48_000),
    "mulaw": TELEPHONE,
    "alaw": TELEPHONE,
    "flac": (8_000, 16_000, 22_050, 32_000, 48_000),
}
"""What `sample_rate` may be; an encoding that is missing takes none."""
FIXED_RATES = {"mp3": 22_050, "opus": 48_000, "aac": 22_050}
DEFAULT_RATES = {"linear16": 24_000, "mulaw": 8_000, "alaw": 8_000, "flac": 24_000}
CONTAINERS = dict.fromkeys(("linear16", "mulaw", "alaw"), ("wav", "none")) | {"opus": ("ogg",)}
"""What `container` may be, the default first; an encoding that is missing takes none."""
BIT_RATES: dict[str, Check] = {
    "mp3": one_of("32000", "48000"),
    "opus": is_whole(4_000, 650_000),
    "aac": is_whole(4_000, 192_000),
}
SOCKET_ENCODINGS = ("linear16", "mulaw", "alaw")

_COMMON: dict[str, Check] = {
    "mip_opt_out": is_flag,
    "model": is_text,
    "sample_rate": is_whole(1),
    "speed": is_number(0.7, 1.5),
    "tag": is_text,
}
REST_KNOWN = _COMMON | {
    "bit_rate": is_whole(1),
    "callback": is_url,
    "callback_method": one_of("POST", "PUT"),
    "container": one_of("none", "wav", "ogg"),
    "encoding": one_of("linear16", "mulaw", "alaw", "mp3", "opus", "flac", "aac"),
}
SOCKET_KNOWN = _COMMON | {"encoding": one_of(*SOCKET_ENCODINGS)}
REPEATABLE = frozenset({"tag"})


@dataclass(frozen=True, slots=True)
class SpeakOptions:
    """What was asked for."""

    voice: str
    encoding: str
    container: str
    rate: int
    speed: float
    bit_rate: int | None = None


def parse_rest_options(query: MultiMapping[str], *, any_model: bool) -> SpeakOptions:
    """Read the query of the REST path.

    Raises:
        Refused: the vendor would not have it.
    """
    check_query(query, REST_KNOWN, REPEATABLE)
    encoding = query.get("encoding", "linear16")
    _check_bit_rate(encoding, query.get("bit_rate"))
    container = _container(encoding, query.get("container"))
    bit_rate = query.get("bit_rate")
    return SpeakOptions(
        voice=_voice(query, any_model=any_model),
        encoding=encoding,
        container=container,
        rate=_rate(encoding, query.get("sample_rate")),
        speed=float(query.get("speed", "1")),
        bit_rate=None if bit_rate is None else int(bit_rate),
    )


def parse_socket_options(query: MultiMapping[str], *, any_model: bool) -> SpeakOptions:
    """Read the query of the socket: raw audio only.

    Raises:
        Refused: the vendor would not have it.
    """
    check_query(query, SOCKET_KNOWN, REPEATABLE)
    encoding = query.get("encoding", "linear16")
    return SpeakOptions(
        voice=_voice(query, any_model=any_model),
        encoding=encoding,
        container="none",
        rate=_rate(encoding, query.get("sample_rate")),
        speed=float(query.get("speed", "1")),
    )


def parse_text(content_type: str, body: bytes) -> str:
    """Read the body of a request.

    Raises:
        Refused: 415, 400 or 413.
    """
    if content_type != "application/json":
        raise Refused(415)
    found = parse_object(body) or {}
    text = found.get("text")
    if not isinstance(text, str) or len(found) != 1:
        raise bad_json("Json deserialize error: expected an object with one string, `text`")
    if not text.strip():
        message = "Input text is empty."
        raise Refused(400, {"err_code": "INVALID_INPUT", "err_msg": message})
    if len(text) > MAX_CHARACTERS:
        raise Refused(413)
    return text


def _voice(query: MultiMapping[str], *, any_model: bool) -> str:
    voice = query.get("model", DEFAULT_VOICE)
    if not any_model and voice not in VOICES:
        message = f"Bad Request: No such model '{voice}' found."
        raise Refused(400, {"err_code": "Bad Request", "err_msg": message})
    return voice


def _container(encoding: str, chosen: str | None) -> str:
    known = CONTAINERS.get(encoding)
    if known is None:
        if chosen is not None:
            raise bad_format(f"container is not applicable when encoding={encoding}.")
        return "none"
    if chosen is not None and chosen not in known:
        raise bad_format(f"container={chosen} is not supported when encoding={encoding}.")
    return chosen or known[0]


def _rate(encoding: str, chosen: str | None) -> int:
    known = RATES.get(encoding)
    if known is None:
        if chosen is not None:
            raise bad_format(f"sample_rate is not applicable when encoding={encoding}.")
        return FIXED_RATES[encoding]
    rate = DEFAULT_RATES[encoding] if chosen is None else int(chosen)
    if rate not in known:
        raise bad_format(f"sample_rate={rate} is not supported when encoding={encoding}.")
    return rate


def _check_bit_rate(encoding: str, chosen: str | None) -> None:
    if chosen is None:
        return
    check = BIT_RATES.get(encoding)
    if check is None:
        raise bad_format(f"bit_rate is not applicable when encoding={encoding}.")
    if not check(chosen):
        raise bad_format(f"bit_rate={chosen} is not supported when encoding={encoding}.")

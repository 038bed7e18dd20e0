"""The query of `/v1/listen`, checked as the vendor does."""

from dataclasses import dataclass

from multidict import MultiMapping

from tests.emulators.answers import Refused
from tests.emulators.deepgram.catalogue import LISTEN_MODELS
from tests.emulators.deepgram.query import (
    Check,
    check_query,
    is_flag,
    is_language,
    is_number,
    is_pair,
    is_text,
    is_url,
    is_whole,
    one_of,
)
from tests.emulators.deepgram.wording import bad_query

MAX_KEYTERM_TOKENS = 500
SAMPLE_BYTES = {"linear16": 2, "linear32": 4, "mulaw": 1, "alaw": 1}
NOMINAL_BYTES_PER_S = 32_000
"""What compressed audio is taken for, where places in it are counted."""
COMPRESSED = ("flac", "amr-nb", "amr-wb", "opus", "ogg-opus", "speex", "g729")
FLAGS = (
    "detect_entities", "diarize", "dictation", "filler_words", "interim_results", "mip_opt_out",
    "multichannel", "no_delay", "numerals", "profanity_filter", "punctuate", "smart_format",
    "vad_events",
)  # fmt: skip
REPEATABLE = frozenset(
    {"extra", "keyterm", "keywords", "language_hint", "redact", "replace", "search", "tag"}
)


def _is_flag_or_ms(value: str) -> bool:
    return is_flag(value) or is_whole(0, 60_000)(value)


def _is_keyword(value: str) -> bool:
    word, colon, boost = value.partition(":")
    return bool(word) and (not colon or is_number(-100, 100)(boost))


KNOWN: dict[str, Check] = dict.fromkeys(FLAGS, is_flag) | {
    "callback": is_url,
    "callback_method": one_of("POST", "PUT", "GET", "DELETE"),
    "channels": is_whole(1, 32),
    "diarize_model": one_of("latest", "v1"),
    "encoding": one_of(*SAMPLE_BYTES, *COMPRESSED),
    "endpointing": _is_flag_or_ms,
    "extra": is_pair,
    "keyterm": is_text,
    "keywords": _is_keyword,
    "language": is_language,
    "language_hint": is_language,
    "model": is_text,
    "redact": is_text,
    "replace": is_text,
    "sample_rate": is_whole(1000, 384_000),
    "search": is_text,
    "tag": is_text,
    "utterance_end_ms": is_whole(1000, 60_000),
    "version": is_text,
}


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """What a stream asked for."""

    model: str
    language: str
    encoding: str | None
    sample_rate: int | None
    channels: int
    punctuate: bool
    interim_results: bool
    vad_events: bool
    endpoint_s: float | None
    utterance_end_s: float | None

    @property
    def bytes_per_s(self) -> float:
        """Of raw audio; a nominal figure for any other."""
        if self.encoding not in SAMPLE_BYTES or self.sample_rate is None:
            return NOMINAL_BYTES_PER_S
        return SAMPLE_BYTES[self.encoding] * self.sample_rate * self.channels

    @property
    def is_raw(self) -> bool:
        """The bytes are samples."""
        return self.encoding in SAMPLE_BYTES

    @property
    def is_nova_3(self) -> bool:
        """Keyterms are for these only."""
        return self.model.startswith("nova-3")


def parse_listen_options(query: MultiMapping[str], *, any_model: bool) -> ListenOptions:
    """Read a query.

    Args:
        query: decoded.
        any_model: take every model name.

    Raises:
        Refused: the vendor would not have it.
    """
    check_query(query, KNOWN, REPEATABLE)
    model = query.get("model", "base-general")
    _check_model(model, any_model=any_model)
    _check_words(query, model)
    _check_audio(query)
    _check_events(query)
    rate = query.get("sample_rate")
    end_ms = query.get("utterance_end_ms")
    return ListenOptions(
        model=model,
        language=query.get("language", "en"),
        encoding=query.get("encoding"),
        sample_rate=None if rate is None else int(rate),
        channels=int(query.get("channels", "1")),
        punctuate=_is_on(query, "punctuate") or _is_on(query, "smart_format"),
        interim_results=_is_on(query, "interim_results"),
        vad_events=_is_on(query, "vad_events"),
        endpoint_s=_endpoint_s(query.get("endpointing", "true")),
        utterance_end_s=None if end_ms is None else int(end_ms) / 1000,
    )


def exceeds_keyterm_limit(terms: list[str]) -> bool:
    """Tell whether the terms together are too long; a word counts as a token."""
    return sum(len(term.split()) for term in terms) > MAX_KEYTERM_TOKENS


def _is_on(query: MultiMapping[str], name: str) -> bool:
    return query.get(name) == "true"


def _endpoint_s(value: str) -> float | None:
    if value == "false":
        return None
    return 0.01 if value == "true" else int(value) / 1000


def _check_model(model: str, *, any_model: bool) -> None:
    if model.startswith("flux"):
        raise bad_query("Flux models are served at /v2/listen.")
    if not any_model and model not in LISTEN_MODELS:
        message = "Bad Request: No such model/language/tier combination found."
        raise Refused(400, {"err_code": "Bad Request", "err_msg": message})


def _check_words(query: MultiMapping[str], model: str) -> None:
    is_nova_3 = model.startswith("nova-3")
    if "keyterm" in query and not is_nova_3:
        raise bad_query("Keyterm prompting is only available with nova-3.")
    if "keywords" in query and is_nova_3:
        raise bad_query("Keywords are not available with nova-3: use keyterm.")
    if exceeds_keyterm_limit(query.getall("keyterm", [])):
        raise bad_query("Keyterm limit exceeded.")


def _check_audio(query: MultiMapping[str]) -> None:
    if "encoding" in query and "sample_rate" not in query:
        raise bad_query("'sample_rate' is required when 'encoding' is given.")
    if "sample_rate" in query and "encoding" not in query:
        raise bad_query("'encoding' is required when 'sample_rate' is given.")


def _check_events(query: MultiMapping[str]) -> None:
    if "utterance_end_ms" in query and not _is_on(query, "interim_results"):
        raise bad_query("'utterance_end_ms' requires 'interim_results=true'.")
    if "diarize_model" in query and query.get("diarize") == "false":
        raise bad_query("'diarize_model' contradicts 'diarize=false'.")

"""What `model` and `voice_id` mean to the provider `local`.

stt_config.model        listens with
"" or "pocketsphinx"    pocketsphinx, free dictation in English
grammar:NAME            pocketsphinx, the sentences of NAME.gram or NAME.jsgf
keyphrases:NAME         pocketsphinx, the phrases of NAME.kws or NAME.keyphrases
vosk:NAME and others    a model of the operator's own

tts_config.voice_id     speaks with
absent or ""            espeak-ng, en-us
en-gb+f3, espeak:de     espeak-ng, a voice and perhaps a variant
piper:NAME and others   a model of the operator's own
"""

from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

from sayna.errors import ProviderMisconfigured
from sayna.speech.options import SynthesizerOptions

MAX_NAME_CHARS = 60
"""Of a grammar: with its suffix, file systems take it in any alphabet."""
DEFAULT_VOICE = "en-us"
BUNDLED_GRAMMARS = Path(__file__).parent / "grammars"
"""Where grammars are looked for after the operator's folder."""


class Mode(Enum):
    """What pocketsphinx listens for."""

    DICTATION = "dictation"
    GRAMMAR = "grammar"
    KEYPHRASES = "keyphrases"


SUFFIXES = {Mode.GRAMMAR: (".gram", ".jsgf"), Mode.KEYPHRASES: (".kws", ".keyphrases")}


@dataclass(frozen=True, slots=True)
class Listening:
    """One way for pocketsphinx to listen."""

    mode: Mode
    path: Path | None = None
    """Of the grammar or the keyphrases."""


def require(package: str, what: str) -> None:
    """Refuse when an optional package is not installed.

    Raises:
        ProviderMisconfigured: naming the cure.
    """
    if find_spec(package) is None:
        raise ProviderMisconfigured(
            f"{what} needs the package {package}, which is not installed on this server:"
            " pip install 'sayna[local]'"
        )


def parse_listening(model: str, grammars: Path | None) -> Listening:
    """Understand `stt_config.model`.

    Args:
        model: as the client sent it.
        grammars: the operator's folder, if any; those that come with Sayna are found after it.

    Raises:
        ProviderMisconfigured: it means nothing, or its file is not there.
    """
    rest = model.removeprefix("pocketsphinx:") if ":" in model else model
    if rest in {"", "pocketsphinx"}:
        return Listening(Mode.DICTATION)
    kind, colon, name = rest.partition(":")
    if not colon or kind not in {Mode.GRAMMAR.value, Mode.KEYPHRASES.value}:
        raise ProviderMisconfigured(
            f"stt_config.model {model[:80]!r} is not known to the provider local: use"
            " 'pocketsphinx', 'grammar:NAME', 'keyphrases:NAME', 'vosk:NAME', 'sherpa:NAME' or"
            " 'whisper:NAME'"
        )
    mode = Mode(kind)
    return Listening(mode, _find_file(mode, name, grammars))


def _find_file(mode: Mode, name: str, grammars: Path | None) -> Path:
    hidden = not name or name.startswith(".") or not name.isprintable()
    if hidden or len(name) > MAX_NAME_CHARS or any(mark in name for mark in "/\\"):
        raise ProviderMisconfigured(
            f"stt_config.model names the {mode.value} {name[:80]!r}: a plain file name is wanted"
        )
    for folder in filter(None, (grammars, BUNDLED_GRAMMARS)):
        for suffix in SUFFIXES[mode]:
            if (path := folder / f"{name}{suffix}").is_file():
                return path
    wanted = " or ".join(f"{name[:80]}{suffix}" for suffix in SUFFIXES[mode])
    raise ProviderMisconfigured(
        f"there is no {wanted} in the folder of grammars: put it there, or set"
        " providers.local.grammars_path (LOCAL_GRAMMARS_PATH) to the folder that has it"
    )


def require_english(language: str) -> None:
    """Refuse what pocketsphinx has no model for.

    Raises:
        ProviderMisconfigured: naming the language.
    """
    if language.lower().replace("_", "-").split("-")[0] not in {"en", ""}:
        raise ProviderMisconfigured(
            f"stt_config.language {language[:40]!r}: pocketsphinx understands English only (en-US);"
            " for other languages set stt_config.model to a model of your own, such as 'vosk:NAME'"
        )


def wanted_voice(options: SynthesizerOptions) -> str:
    """Return the voice that is meant: `voice_id`, else `model`, else the default."""
    voice = options.voice_id or options.model
    return DEFAULT_VOICE if voice in {"", "espeak", "espeak-ng"} else voice


def words_per_minute(speaking_rate: float) -> int:
    """Return espeak-ng's speed for a rate: 175 at 1.0, within 80 to 450; 0 or less means 1.0."""
    rate = speaking_rate if speaking_rate > 0 else 1.0
    return int(min(450, max(80, round(min(rate, 10.0) * 175))))

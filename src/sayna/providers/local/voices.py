"""The voices of espeak-ng: which there are, and which one a client means."""

from collections.abc import Sequence
from dataclasses import dataclass

from sayna.errors import ProviderMisconfigured
from sayna.speech.languages import accent_name, language_name
from sayna.speech.protocols import Voice

_GENDERS = {1: "Male", 2: "Female"}
_SEPARATOR = "\t"


@dataclass(frozen=True, slots=True)
class EspeakVoice:
    """One voice, or one variant, as the engine lists it."""

    identifier: str
    """`gmw/en-US`; of a variant the name of its file, `f3`."""
    name: str
    gender: int
    """1 male, 2 female, 0 unknown."""
    languages: tuple[tuple[str, int], ...] = ()
    """Codes such as `en-us`, each with its rank: the lowest speaks it best. Empty: a variant."""

    def render(self) -> str:
        """Return one line, as `parse_voice` reads it."""
        codes = (f"{code}:{rank}" for code, rank in self.languages)
        return _SEPARATOR.join((self.identifier, self.name, str(self.gender), *codes))


def parse_voice(line: str) -> EspeakVoice:
    """Read what `EspeakVoice.render` wrote."""
    identifier, name, gender, *codes = line.split(_SEPARATOR)
    pairs = (code.rpartition(":") for code in codes)
    languages = tuple((code, int(rank)) for code, _, rank in pairs)
    return EspeakVoice(identifier, name, int(gender), languages)


class Catalogue:
    """Every voice of the engine, found by any of its names, in any case."""

    def __init__(self, lines: Sequence[str]) -> None:
        listed = [parse_voice(line) for line in lines]
        self._voices = [voice for voice in listed if voice.languages]
        self._variants = {v.identifier.casefold(): v.identifier for v in listed if not v.languages}
        self._by_code: dict[str, tuple[int, EspeakVoice]] = {}
        self._by_name: dict[str, EspeakVoice] = {}
        for voice in self._voices:
            self._by_name.setdefault(voice.name.casefold(), voice)
            self._by_name[voice.identifier.casefold()] = voice
            for code, rank in voice.languages:
                known = self._by_code.get(code)
                if known is None or rank < known[0]:
                    self._by_code[code] = (rank, voice)

    def find(self, wanted: str) -> str:
        """Return the engine's own name for what a client calls a voice: `en-us`, `espeak:en-GB+F3`.

        Raises:
            ProviderMisconfigured: there is no such voice or variant.
        """
        base, plus, variant = wanted.removeprefix("espeak:").partition("+")
        voice = self._find_base(base.casefold().replace("_", "-"))
        if voice is None:
            raise ProviderMisconfigured(
                f"espeak-ng has no voice {wanted[:80]!r}: GET /voices lists those of local"
            )
        if not plus:
            return voice.identifier
        if (known := self._variants.get(variant.casefold())) is None:
            some = ", ".join(name for name in ("f1", "f3", "m1", "m3") if name in self._variants)
            raise ProviderMisconfigured(
                f"espeak-ng has no variant {variant[:80]!r} of voice {wanted[:80]!r}"
                f" (it has {some} and others)"
            )
        return f"{voice.identifier}+{known}"

    def listing(self) -> list[Voice]:
        """Return the entries for `GET /voices`, one for each voice, ordered by id."""
        return sorted(map(self._entry, self._voices), key=lambda entry: entry.id)

    def _find_base(self, name: str) -> EspeakVoice | None:
        ranked = self._by_code.get(name)
        return ranked[1] if ranked else self._by_name.get(name)

    def _entry(self, voice: EspeakVoice) -> Voice:
        code = voice.languages[0][0]
        return Voice(
            id=code if self._find_base(code) is voice else voice.identifier,
            name=voice.name,
            language=language_name(code),
            accent=accent_name(code),
            gender=_GENDERS.get(voice.gender, "Unknown"),
        )

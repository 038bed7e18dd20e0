"""Say words as their owner wants them said: `AI` as `A I`, `C++` as `see plus plus`.

One pass over the text, so no rule sees what another has written. Where several rules fit at the
same place the longest word wins, among equal words the first listed. Matching is case-sensitive
and whole-word: a side of a word that is a letter, digit or underscore must not touch another such
character, while a side that is not (`C++`, `.NET`) may touch anything.
"""

import re
from collections.abc import Iterable, Sequence

from sayna.errors import InvalidRequest
from sayna.speech.options import Pronunciation

MAX_RULES = 1000
MAX_RULE_CHARS = 200
"""Of a word, and of what is said for it."""


class PronunciationsRefused(InvalidRequest):
    """More or longer rules than can be applied while others wait."""

    code = "PRONUNCIATIONS_REFUSED"


class Pronouncer:
    """A list of pronunciations, ready to be applied to many texts.

    Args:
        rules: in the caller's order; those with an empty word are ignored.

    Raises:
        PronunciationsRefused: there are too many, or one is too long.
    """

    def __init__(self, rules: Sequence[Pronunciation]) -> None:
        _check(rules)
        self._spoken: dict[str, str] = {}
        for rule in rules:
            if rule.word:
                self._spoken.setdefault(rule.word, rule.spoken)
        self._pattern = _compile(self._spoken) if self._spoken else None

    def apply(self, text: str) -> str:
        """Return the text with every word replaced; a replacement is taken literally."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._spoken[found[0]], text)


def _check(rules: Sequence[Pronunciation]) -> None:
    if len(rules) > MAX_RULES:
        raise PronunciationsRefused(f"at most {MAX_RULES} pronunciations fit, not {len(rules)}")
    longest = max((max(len(rule.word), len(rule.spoken)) for rule in rules), default=0)
    if longest > MAX_RULE_CHARS:
        raise PronunciationsRefused(
            f"a word and its pronunciation may have {MAX_RULE_CHARS} characters each, not {longest}"
        )


def _compile(words: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds words where they are not part of longer ones.

    Words that begin alike share the look behind them: only then does the engine tell at a glance
    which of a thousand words cannot be meant.
    """
    longest_first = sorted(words, key=len, reverse=True)
    inner = [_ended(word) for word in longest_first if re.match(r"\w", word)]
    outer = [_ended(word) for word in longest_first if not re.match(r"\w", word)]
    groups = ([rf"(?<!\w)(?:{'|'.join(inner)})"] if inner else []) + outer
    return re.compile("|".join(groups))


def _ended(word: str) -> str:
    """Return a pattern of the word that does not let it go on."""
    return re.escape(word) + (r"(?!\w)" if re.search(r"\w\Z", word) else "")

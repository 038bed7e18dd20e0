"""Say words as their owner wants them said: `AI` as `A I`, `C++` as `see plus plus`.

One pass over the text, so no rule sees what another has written. Where several rules fit at the
same place the longest word wins, among equal words the first listed. Matching is case-sensitive
and whole-word: a side of a word that is a letter, digit or underscore must not touch another such
character, while a side that is not (`C++`, `.NET`) may touch anything.
"""

import re
from collections.abc import Sequence

from sayna.speech.options import Pronunciation


class Pronouncer:
    """A list of pronunciations, ready to be applied to many texts.

    Args:
        rules: in the caller's order; those with an empty word are ignored.
    """

    def __init__(self, rules: Sequence[Pronunciation]) -> None:
        self._spoken: dict[str, str] = {}
        for rule in rules:
            if rule.word:
                self._spoken.setdefault(rule.word, rule.spoken)
        longest_first = sorted(self._spoken, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_whole, longest_first))) if longest_first else None

    def apply(self, text: str) -> str:
        """Return the text with every word replaced; a replacement is taken literally."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._spoken[found[0]], text)


def _whole(word: str) -> str:
    """Return a pattern that finds the word where it is not part of a longer one."""
    before = r"(?<!\w)" if re.match(r"\w", word) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", word) else ""
    return before + re.escape(word) + after

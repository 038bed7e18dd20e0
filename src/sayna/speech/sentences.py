"""A text that is still being written, sentence by sentence: each as soon as it is complete."""

import re

from sayna.speech.parts import INNER_EDGES, SENTENCE_EDGE, end_of_part

MAX_SENTENCE_CHARS = 300
"""Characters that wait for the end of a sentence; then a clause or a word is the end of a part."""

MAX_INITIAL_CHARS = 2
"""Of what stands between the full stops of `e.g.`, `U.S.` or `Ph.D.`"""

ABBREVIATIONS = frozenset({"Mr", "Mrs", "Ms", "Dr", "Prof", "St", "vs", "Hr", "Fr", "Nr"})
"""Before a full stop they do not end a sentence; a few that would often be torn from a name."""

_WORD = re.compile(r"\w")
_OPENING = "\"'([\u201c\u2018\u201e\u00ab"


class SentenceCutter:
    """Cuts one text that comes in pieces.

    A sentence is complete once a blank or a line's end follows it, so that `3.14` stays whole. It
    does not end behind an initial, a title, `e.g.` or the number of an item, and has a word in it.
    """

    def __init__(self) -> None:
        self._text = ""  # what is not complete yet begins it
        self._looked = 0  # characters of it in which no sentence ends
        self._finished = False
        self._cut = False

    def feed(self, text: str) -> None:
        """Add the next piece."""
        self._text += text

    def finish(self) -> None:
        """Say that no piece follows: what is left is complete."""
        self._finished = True

    def next_sentence(self) -> str | None:
        """Take out the next complete sentence, without blanks at its ends; None: there is none."""
        self._text = self._text.lstrip()
        end = self._end()
        if end is None:
            return None
        sentence, self._text = self._text[:end].rstrip(), self._text[end:]
        self._looked = 0
        self._cut = True
        return sentence

    def _end(self) -> int | None:
        text = self._text
        for edge in SENTENCE_EDGE.finditer(text, self._looked, MAX_SENTENCE_CHARS + 1):
            if _WORD.search(text, 0, edge.end()) and not _goes_on(text[: edge.start()]):
                return edge.end()
            self._looked = edge.end()  # what follows cannot change that
        if len(text) > MAX_SENTENCE_CHARS:
            return end_of_part(text, MAX_SENTENCE_CHARS, INNER_EDGES)
        if self._finished and text and not (self._cut and _WORD.search(text) is None):
            return len(text)  # marks without a word behind the last sentence say nothing
        return None


def _goes_on(text: str) -> bool:
    """Tell whether the full stop at the end of a text is hardly that of a sentence."""
    if not text.endswith("."):
        return False
    *before, word = text.rsplit(maxsplit=2)[-2:]
    stem = word.lstrip(_OPENING)[:-1]
    if stem in ABBREVIATIONS or (stem.isdigit() and len(word) == len(text)):
        return True
    initials = stem.split(".")
    short = all(one.isalpha() and len(one) <= MAX_INITIAL_CHARS for one in initials)
    spelled = bool(before) and len(before[0]) == 1  # `A I.`, as a pronunciation may have it
    return short and (len(initials) > 1 or (len(stem) == 1 and not spelled))

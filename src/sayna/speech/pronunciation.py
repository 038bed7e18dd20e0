"""Say words as their owner wants them said: `AI` as `A I`, `C++` as `see plus plus`.

One pass over the text. What a rule puts in is itself pronounced by the rules listed behind it,
which is worked out beforehand. Where several rules fit at the same place the longest word wins,
among equal words the first listed. Matching is case-sensitive
and whole-word: a side of a word that is a letter, digit or underscore must not touch another such
character, while a side that is not (`C++`, `.NET`) may touch anything. All of this holds for a text
that comes in pieces too, wherever the cuts are.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from sayna.errors import InvalidRequest
from sayna.speech.options import Pronunciation

MAX_RULES = 1000
MAX_RULE_CHARS = 200
"""Of a word, and of what is said for it."""

MAX_SAID_CHARS = 2000
"""Of what is said for one word in the end, after all rules."""

_INNER = re.compile(r"\w")  # what a whole word must not touch


class PronunciationsRefused(InvalidRequest):
    """More or longer rules than can be applied while others wait, or rules that multiply."""

    code = "PRONUNCIATIONS_REFUSED"


class Pronouncer:
    """A list of pronunciations, ready to be applied to many texts.

    Args:
        rules: in the caller's order; those with an empty word are ignored.

    Raises:
        PronunciationsRefused: there are too many, or one is too long, alone or with the others.
    """

    def __init__(self, rules: Sequence[Pronunciation]) -> None:
        _check(rules)
        self._spoken: dict[str, str] = {}
        for rule in rules:
            if rule.word:
                self._spoken.setdefault(rule.word, rule.spoken)
        self._pattern = _compile(self._spoken) if self._spoken else None
        if self._pattern is not None:
            _chain(self._spoken, self._pattern)
        self._sorted = sorted(self._spoken)
        self._longest = max(map(len, self._sorted), default=0)

    def apply(self, text: str) -> str:
        """Return the text with every word replaced; a replacement is taken literally."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._spoken[found[0]], text)

    def apply_to_pieces(self) -> "PiecewisePronouncer":
        """Return one who does the same to a single text that comes in pieces."""
        return PiecewisePronouncer(self)

    def settle(self, text: str, start: int, *, more: bool) -> tuple[str, int]:
        """Replace the words of a text as far as nothing that may follow can change them.

        Args:
            text: with the character before `start`, if there is one.
            start: where to begin.
            more: whether text may follow.

        Returns:
            What is said for the text from `start` on, and the end of that text.
        """
        if self._pattern is None:
            return text[start:], len(text)
        doubts = self._doubts(text, start) if more else []
        said: list[str] = []
        while True:
            certain = next((doubt for doubt in doubts if doubt >= start), len(text))
            found = self._pattern.search(text, start)
            if found is None or found.start() >= certain:
                said.append(text[start:certain])
                return "".join(said), certain
            said += (text[start : found.start()], self._spoken[found[0]])
            start = found.end()

    def _doubts(self, text: str, start: int) -> list[int]:
        """Return where words may begin that reach the end of the text, or beyond it."""
        first = max(start, len(text) - self._longest)
        return [at for at in range(first, len(text)) if self._may_begin(text, at)]

    def _may_begin(self, text: str, at: int) -> bool:
        if at and _INNER.match(text[at]) and _INNER.match(text[at - 1]):
            return False
        tail = text[at:]
        place = bisect_left(self._sorted, tail)
        words = self._sorted[place : place + 2]  # those that begin so stand together, from there
        if words and words[0] == tail and not _INNER.match(tail[-1]):
            words.pop(0)  # it is whole whatever follows, unless a longer one is meant
        return any(word.startswith(tail) for word in words)


class PiecewisePronouncer:
    """Pronounces one text that comes in pieces as if it had come whole.

    Only what may be part of a word that has a rule is held back, at most `MAX_RULE_CHARS`.
    """

    def __init__(self, pronouncer: Pronouncer) -> None:
        self._pronouncer = pronouncer
        self._text = ""  # the last character that was said, and what is held back behind it
        self._start = 0  # of what is held back

    def feed(self, piece: str) -> str:
        """Take the next piece, return what can be said by now."""
        return self._settle(piece, more=True)

    def finish(self) -> str:
        """Return what was held back; no piece follows."""
        return self._settle("", more=False)

    def _settle(self, piece: str, *, more: bool) -> str:
        text = self._text + piece
        said, end = self._pronouncer.settle(text, self._start, more=more)
        self._start = min(end, 1)
        self._text = text[end - self._start :]
        return said


def _check(rules: Sequence[Pronunciation]) -> None:
    if len(rules) > MAX_RULES:
        raise PronunciationsRefused(f"at most {MAX_RULES} pronunciations fit, not {len(rules)}")
    longest = max((max(len(rule.word), len(rule.spoken)) for rule in rules), default=0)
    if longest > MAX_RULE_CHARS:
        raise PronunciationsRefused(
            f"a word and its pronunciation may have {MAX_RULE_CHARS} characters each, not {longest}"
        )


def _chain(spoken: dict[str, str], pattern: re.Pattern[str]) -> None:
    """Apply to what each rule says the rules behind it."""
    places = {word: place for place, word in enumerate(spoken)}
    for word in reversed(places):

        def say(found: re.Match[str], here: int = places[word]) -> str:
            return spoken[found[0]] if places[found[0]] > here else found[0]

        said = pattern.sub(say, spoken[word])
        if len(said) > MAX_SAID_CHARS:
            raise PronunciationsRefused(
                f"pronunciations that contain words of others grow to {len(said)} characters,"
                f" at most {MAX_SAID_CHARS} fit"
            )
        spoken[word] = said


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

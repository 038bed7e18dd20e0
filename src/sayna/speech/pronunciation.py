"""Say words as their owner wants them said: `AI` as `A I`, `C++` as `see plus plus`.

One pass over the text. What a rule puts in is itself pronounced by the rules listed behind it,
which is worked out beforehand. Where several rules fit at the same place the longest word wins,
among equal words the first listed. Matching is case-sensitive and whole-word: a side of a word that
is a letter, digit or underscore must not touch another such character, while a side that is not
(`C++`, `.NET`) may touch anything. All of this holds for a text that comes in pieces too, wherever
the cuts are.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence

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
        self._words = _Words(self._spoken)
        _chain(self._spoken, self._words)

    def apply(self, text: str) -> str:
        """Return the text with every word replaced; a replacement is taken literally."""
        return self.settle(text, 0, more=False)[0]

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
        return self._words.replace(text, start, self._spoken.__getitem__, more=more)


class _Words:
    """Words to be found in texts, whole ones only.

    Sorted, and each with the longest of those that it begins with: whatever words a text begins
    with, they are among these of the last word that does not sort behind the text. One pattern of
    them all would have to try a thousand at each place, and take as long to be compiled.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._sorted = sorted(words)
        self._shorter = _shorter_ones(self._sorted)
        self._ends_inner = [_INNER.match(word[-1]) is not None for word in self._sorted]
        self._longest = max(map(len, self._sorted), default=0)
        self._start = _start_of(self._sorted) if self._sorted else None

    def replace(
        self, text: str, start: int, say: Callable[[str], str], *, more: bool
    ) -> tuple[str, int]:
        """Put what `say` returns for it in the place of each word; else as `Pronouncer.settle`."""
        said: list[str] = []
        at = self._next_start(text, start)
        while at is not None:
            if more and self._may_reach_end(text, at):
                said.append(text[start:at])
                return "".join(said), at
            if (word := self._longest_at(text, at)) is None:
                at = self._next_start(text, at + 1)
            else:
                said += (text[start:at], say(word))
                start = at + len(word)
                at = self._next_start(text, start)
        said.append(text[start:])
        return "".join(said), len(text)

    def _next_start(self, text: str, at: int) -> int | None:
        """Return the first place from `at` on where a word may begin."""
        found = None if self._start is None else self._start.search(text, at)
        return None if found is None else found.start()

    def _longest_at(self, text: str, at: int) -> str | None:
        """Return the longest word that stands at a `_next_start`."""
        tail = text[at : at + self._longest]
        place = bisect_right(self._sorted, tail) - 1
        while place >= 0:
            word = self._sorted[place]
            if tail.startswith(word):
                goes_on = self._ends_inner[place] and _INNER.match(text, at + len(word))
                if not goes_on:
                    return word
            place = self._shorter[place]
        return None

    def _may_reach_end(self, text: str, at: int) -> bool:
        """Tell whether what stands at a `_next_start` may be a word that reaches beyond the text.

        One that ends with the text counts if it would have to be whole there.
        """
        if len(text) - at > self._longest:
            return False
        tail = text[at:]
        place = bisect_left(self._sorted, tail)
        if self._sorted[place : place + 1] == [tail] and not self._ends_inner[place]:
            place += 1  # it is whole whatever follows, unless a longer one is meant
        return any(word.startswith(tail) for word in self._sorted[place : place + 1])


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


def _chain(spoken: dict[str, str], words: _Words) -> None:
    """Apply to what each rule says the rules behind it."""
    places = {word: place for place, word in enumerate(spoken)}
    for word in reversed(places):

        def say(found: str, here: int = places[word]) -> str:
            return spoken[found] if places[found] > here else found

        said, _ = words.replace(spoken[word], 0, say, more=False)
        if len(said) > MAX_SAID_CHARS:
            raise PronunciationsRefused(
                f"pronunciations that contain words of others grow to {len(said)} characters,"
                f" at most {MAX_SAID_CHARS} fit"
            )
        spoken[word] = said


def _shorter_ones(words: Sequence[str]) -> list[int]:
    """Return for each of sorted words where the longest other one is that it begins with, or -1."""
    shorter: list[int] = []
    for at, word in enumerate(words):
        place = at - 1
        while place >= 0 and not word.startswith(words[place]):
            place = shorter[place]
        shorter.append(place)
    return shorter


def _start_of(words: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern of the characters that begin a word, where they do not go on with one."""
    firsts = sorted({word[0] for word in words})
    inner = "".join(re.escape(first) for first in firsts if _INNER.match(first))
    outer = "".join(re.escape(first) for first in firsts if not _INNER.match(first))
    choices = ([rf"(?<!\w)[{inner}]"] if inner else []) + ([f"[{outer}]"] if outer else [])
    return re.compile("|".join(choices))

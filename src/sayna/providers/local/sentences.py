"""A text as the pieces that a neural voice speaks one after the other."""

import re
from collections.abc import Iterator

MAX_SENTENCE_CHARS = 300
"""A longer piece would keep the listener, and every other session of the worker, waiting."""

_ENDS = re.compile(
    r"""(?<=[.!?\u2026])["'\u201d\u2019)\]]*\s+"""  # closing quotes may follow the full stop
    r"|(?<=[\u3002\uff01\uff1f])|\n+"  # Chinese and Japanese write no space behind it
)
_BREAKS = ("; ", ", ", ": ", " ")


def sentences(text: str) -> Iterator[str]:
    """Yield the text's sentences in order, long ones cut at a pause; what has no sound is left out.

    A piece has at most `MAX_SENTENCE_CHARS` characters.
    """
    start = 0
    for end in _ENDS.finditer(text):
        yield from _speakable(text[start : end.end()])
        start = end.end()
    yield from _speakable(text[start:])


def _speakable(sentence: str) -> Iterator[str]:
    rest = sentence.strip()
    while rest:
        piece, rest = _cut(rest)
        if any(char.isalnum() for char in piece):
            yield piece


def _cut(text: str) -> tuple[str, str]:
    """Return the first piece and what follows it."""
    if len(text) <= MAX_SENTENCE_CHARS:
        return text, ""
    for pause in _BREAKS:
        at = text.rfind(pause, MAX_SENTENCE_CHARS // 3, MAX_SENTENCE_CHARS)
        if at > 0:
            return text[: at + len(pause)].rstrip(), text[at + len(pause) :].lstrip()
    return text[:MAX_SENTENCE_CHARS], text[MAX_SENTENCE_CHARS:]

"""What was heard against what was said: words without case and punctuation, and their errors."""

from collections.abc import Iterable, Sequence


def words_of(text: str) -> list[str]:
    """Return the words as they are compared: `Please, open!` is `please`, `open`."""
    plain = text.casefold().replace("\u2019", "'")
    return "".join(char if char.isalnum() or char == "'" else " " for char in plain).split()


def count_errors(said: Sequence[str], heard: Iterable[str]) -> int:
    """Return how many words must be put in, left out or replaced to get what was said."""
    row = list(range(len(said) + 1))
    for index, word in enumerate(heard, 1):
        before, row = row, [index]
        for at, expected in enumerate(said):
            row.append(min(before[at] + (word != expected), before[at + 1] + 1, row[at] + 1))
    return row[-1]


def is_heard(said: str, heard: str, allowed: float) -> bool:
    """Tell whether at most the allowed share of words is wrong."""
    expected = words_of(said)
    return count_errors(expected, words_of(heard)) <= allowed * len(expected)

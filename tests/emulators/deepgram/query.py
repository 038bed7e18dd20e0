"""Query parameters as Deepgram takes them: known names, right types, single ones once."""

import re
from collections.abc import Callable, Mapping

from multidict import MultiMapping

from tests.emulators.deepgram.wording import bad_query

Check = Callable[[str], bool]

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*|multi")
_URL = re.compile(r"https?://\S+")


def one_of(*names: str) -> Check:
    """Accept only these."""
    return lambda value: value in names


def is_flag(value: str) -> bool:
    """Accept what a boolean is written as."""
    return value in {"true", "false"}


def is_whole(lowest: int, highest: int = 10**9) -> Check:
    """Accept a whole number."""
    return lambda value: value.isascii() and value.isdigit() and lowest <= int(value) <= highest


def is_number(lowest: float, highest: float) -> Check:
    """Accept a decimal number."""

    def check(value: str) -> bool:
        try:
            return lowest <= float(value) <= highest
        except ValueError:
            return False

    return check


def is_text(value: str) -> bool:
    """Accept anything but nothing."""
    return bool(value)


def is_url(value: str) -> bool:
    """Accept a web address."""
    return bool(_URL.fullmatch(value))


def is_language(value: str) -> bool:
    """Accept a BCP-47 tag or `multi`."""
    return bool(_LANGUAGE.fullmatch(value))


def is_pair(value: str) -> bool:
    """Accept `name:value`."""
    name, colon, rest = value.partition(":")
    return bool(name and colon and rest)


def check_query(
    query: MultiMapping[str], known: Mapping[str, Check], repeatable: frozenset[str]
) -> None:
    """Look at every parameter.

    Raises:
        Refused: one is unknown, has a wrong value, or comes twice.
    """
    for name, value in query.items():
        check = known.get(name)
        if check is None:
            raise bad_query(f"Unknown query parameter '{name}'.")
        if not check(value):
            raise bad_query(f"Invalid '{name}' value of '{value}'.")
        if name not in repeatable and len(query.getall(name)) > 1:
            raise bad_query(f"Duplicate query parameter '{name}'.")

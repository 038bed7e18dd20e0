"""The kinds of value a setting can have, and the marker that names its environment variables.

Every source writes text (`load.py` keeps YAML scalars as they stand), so each kind reads text;
plain Python values pass as well, for whoever builds settings in code. A refusal says what would
be right and never repeats the value: it may be a secret.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr

TRUE_WORDS = frozenset({"true", "1", "yes", "on"})
FALSE_WORDS = frozenset({"false", "0", "no", "off"})
MAX_DIGITS = 18  # far above every limit below, far below what Python refuses to convert

ListForm = Literal["json", "commas"]


class Section(BaseModel):
    """Settings that belong together. The sentence under each field is its documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class Env:
    """Names the environment variable of a setting; of several, the first that is set counts."""

    name: str
    fallbacks: tuple[str, ...] = ()
    form: ListForm | None = None
    """How the variable writes a list; None for a setting that is no list."""
    blank_counts: bool = False
    """An empty text is a value of its own here; everywhere else it means unset."""

    @property
    def names(self) -> tuple[str, ...]:
        """The variable and its fallbacks, best first."""
        return (self.name, *self.fallbacks)


@dataclass(frozen=True, slots=True)
class Shown:
    """How the documentation puts a default that depends on the machine."""

    text: str


def as_mapping(value: object) -> dict[str, Any] | None:
    """Return a mapping as what it is; None for everything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[Any] | None:
    """Return a list or a tuple as a list; None for everything else."""
    return list(cast("list[Any]", value)) if isinstance(value, list | tuple) else None


def parse_flag(value: object) -> bool:
    """Read a yes or a no, in any of the usual words."""
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError("is neither yes nor no; write true, yes, on, 1 or false, no, off, 0")


def parse_whole(value: object) -> int:
    """Read a whole number in decimal digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+", value) and len(value) <= MAX_DIGITS:
        return int(value)
    raise ValueError("is not a whole number; write digits only")


def parse_seconds(value: object) -> float:
    """Read a length of time, whole or with a decimal point."""
    written = isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value)
    counted = isinstance(value, int | float) and not isinstance(value, bool)
    number = float(cast("str | float", value)) if written or counted else math.nan
    if not math.isfinite(number) or number < 0:
        raise ValueError("is not a number of seconds; write one such as 5 or 0.5")
    return number


def fold(value: object) -> object:
    """Let a word of a fixed choice come in any case."""
    return value.strip().lower() if isinstance(value, str) else value


def check_text(value: object) -> object:
    """Refuse what is neither text nor secret text."""
    if not isinstance(value, str | SecretStr):
        raise ValueError("must be text")  # noqa: TRY004 - pydantic collects value errors only
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if any("\ud800" <= letter <= "\udfff" for letter in text):  # bytes that were no UTF-8
        raise ValueError("must be text in UTF-8")
    return value


def check_vendor_key(value: SecretStr) -> SecretStr:
    """Trim a key that travels in a header; refuse one that would break out of it."""
    key = value.get_secret_value().strip()
    if not key.isprintable():
        raise ValueError("holds a line break or another control character")
    return SecretStr(key)


def check_path(value: object) -> object:
    """Refuse what cannot name a file."""
    if isinstance(value, str) and "\0" in value:
        raise ValueError("is not a path; it holds a zero byte")
    if not isinstance(value, str | Path):
        raise ValueError("must be a path")  # noqa: TRY004 - pydantic collects value errors only
    return value


def has_scheme(url: str, *schemes: str) -> bool:
    """Tell whether a URL is complete: one of these schemes, a host, a usable port."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        return False


def check_http_url(url: str) -> str:
    """Refuse anything but a complete http or https URL."""
    if not has_scheme(url, "http", "https"):
        raise ValueError("is not a complete URL; write one that starts with https:// or http://")
    return url


def check_ws_url(url: str) -> str:
    """Refuse anything but a complete ws or wss URL."""
    if not has_scheme(url, "ws", "wss"):
        raise ValueError("is not a complete URL; write one that starts with wss:// or ws://")
    return url


def check_host_port(target: str) -> str:
    """Refuse anything but `host:port`."""
    if "/" in target or not re.search(r":[0-9]{1,5}$", target):
        raise ValueError("is not host:port; write one such as 127.0.0.1:9090")
    if not has_scheme(f"tcp://{target}", "tcp"):
        raise ValueError("is not host:port; the port goes from 0 to 65535")
    return target


Folded = BeforeValidator(fold)
Text = Annotated[str, BeforeValidator(check_text)]
Secret = Annotated[SecretStr, BeforeValidator(check_text)]
VendorKey = Annotated[Secret, AfterValidator(check_vendor_key)]
Flag = Annotated[bool, BeforeValidator(parse_flag)]
Whole = Annotated[int, BeforeValidator(parse_whole)]
Seconds = Annotated[float, BeforeValidator(parse_seconds)]
FilePath = Annotated[Path, BeforeValidator(check_path)]
HttpUrl = Annotated[Text, AfterValidator(check_http_url)]
WsUrl = Annotated[Text, AfterValidator(check_ws_url)]
HostPort = Annotated[Text, AfterValidator(check_host_port)]

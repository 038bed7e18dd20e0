"""Where settings come from: command line, environment, `.env` file, YAML file.

Nothing is judged here but the form: what a text means is for `values.py`, which source wins is
for `load.py`. No text of this module's errors repeats a value.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from dotenv.parser import parse_stream
from yaml.parser import ParserError
from yaml.scanner import ScannerError

from sayna.settings.tree import LEVELS
from sayna.settings.values import Env, as_list, as_mapping

NULL_AND_MERGE = frozenset({"tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"})


class Unreadable(Exception):
    """A source cannot be used; the text is one line that says which and why."""


class TextLoader(yaml.SafeLoader):
    """Keeps every scalar as it is written, so that `0123` stays a password and `on` a word."""


TextLoader.yaml_implicit_resolvers = {
    first: kept
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if (kept := [(tag, pattern) for tag, pattern in resolvers if tag in NULL_AND_MERGE])
}


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file: nested mappings of text, and the line of each key by dotted path."""

    name: str = ""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    lines: Mapping[str, int] = field(default_factory=dict[str, int])

    def at(self, path: str) -> Any:  # noqa: ANN401 - YAML holds anything
        """Return what stands at a dotted path, empty for everything; None when nothing does."""
        here: Any = self.data
        for name in path.split(".") if path else ():
            here = (as_mapping(here) or {}).get(name)
        return here

    def place(self, path: str) -> str:
        """Say where a dotted path stands, for a person who has the file open."""
        line = self.lines.get(path)
        return f"{self.name} line {line}" if line else self.name


@dataclass(frozen=True, slots=True)
class DotEnv:
    """A `.env` file: its variables, and a line for each statement that could not be read."""

    values: Mapping[str, str] = field(default_factory=dict[str, str])
    warnings: tuple[str, ...] = ()


def read_yaml(path: Path) -> Document:
    """Read a YAML file whose top level is a mapping; an empty one holds no settings.

    Raises:
        Unreadable: no such file, not UTF-8, not YAML, a key twice, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise Unreadable(f"config file {path} cannot be read: {why}") from None
    try:
        return parse_yaml(text, path)
    except yaml.YAMLError as error:
        raise Unreadable(f"config file {path} is not valid YAML{explain(error)}") from None
    except RecursionError:
        raise Unreadable(f"config file {path} nests too deeply") from None


def parse_yaml(text: str, path: Path) -> Document:
    """Turn the text of a YAML file into a document.

    Raises:
        yaml.YAMLError: the text is not YAML.
        Unreadable: a key stands twice, or the top level is not a mapping.
    """
    loader = TextLoader(text)
    try:
        node = loader.get_single_node()
        if node is None or node.tag == "tag:yaml.org,2002:null":
            return Document(path.name)
        if not isinstance(node, yaml.MappingNode):
            raise Unreadable(f"config file {path} must hold sections such as `server:`")
        lines = dict(key_lines(node, "", path))
        data: dict[str, Any] = loader.construct_document(node)  # pyright: ignore[reportUnknownMemberType]  # the stub says nothing
        return Document(path.name, data, lines)
    finally:
        loader.dispose()


def key_lines(node: yaml.MappingNode, prefix: str, file: Path) -> Iterator[tuple[str, int]]:
    """List the line of each key; a mapping inside a list has no dotted path and is left out.

    Raises:
        Unreadable: a key stands twice in one mapping, so one of its values would be lost.
    """
    seen: set[str] = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag in NULL_AND_MERGE:
            continue
        path, line = f"{prefix}{key.value}", key.start_mark.line + 1
        if path in seen:
            raise Unreadable(f"config file {file} line {line}: {path} stands there twice")
        seen.add(path)
        yield path, line
        if isinstance(value, yaml.MappingNode):
            yield from key_lines(value, f"{path}.", file)


def explain(error: yaml.YAMLError) -> str:
    """Say where and why YAML is broken, without the line itself, which may hold a secret."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return ": it holds a character that YAML does not allow"
    mark = error.problem_mark
    where = f" at line {mark.line + 1} column {mark.column + 1}" if mark else ""
    why = error.problem or "unexpected end"
    if not isinstance(error, ScannerError | ParserError):
        why = re.sub(r"'.*'", "'...'", why)
    return f"{where}: {why}"


def read_dotenv(folder: Path) -> DotEnv:
    """Read the `.env` of a folder or of its nearest parent that has one.

    A statement that cannot be read is passed over, and so is a file that is not text.
    """
    path = next((p for p in (up / ".env" for up in (folder, *folder.parents)) if p.is_file()), None)
    if path is None:
        return DotEnv()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return DotEnv(warnings=(f"{path} cannot be read and is ignored",))
    values: dict[str, str] = {}
    warnings: list[str] = []
    for statement in parse_stream(io.StringIO(text)):
        if statement.error:
            warnings.append(f"{path} line {statement.original.line} is not NAME=value; ignored")
        elif statement.key and statement.value is not None:
            values[statement.key] = statement.value
    return DotEnv(values, tuple(warnings))


def read_variable(name: str, env: Env, variables: Mapping[str, str]) -> str | None:
    """Return what a variable says; None when it is unset, which a blank one is too."""
    text = variables.get(name)
    if text is None:
        return None
    if not text.strip():
        return "" if env.blank_counts else None
    return plain_level(text) if name == "RUST_LOG" else text


def plain_level(directives: str) -> str | None:
    """Take the level for everything out of `RUST_LOG`: `info,tower=debug` says `info`."""
    words = (part.strip().lower() for part in directives.split(","))
    return next((word for word in words if word in LEVELS), None)


def parse_list(text: str, env: Env) -> list[Any]:
    """Turn the text of a variable into a list.

    Raises:
        ValueError: it is not written the way this variable is.
    """
    if env.form == "commas":
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        items = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"is not valid JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from None
    except RecursionError:
        raise ValueError("nests too deeply") from None
    if (listed := as_list(items)) is None:
        raise ValueError("must be a JSON list")
    return listed

"""The tree of settings seen as a list: one leaf for each thing an operator can set."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from sayna.settings.tree import Settings
from sayna.settings.values import Env, Section


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting."""

    path: str
    """Dotted, as in YAML: `server.port`."""
    field: FieldInfo
    env: Env | None
    variant: str = ""
    """The `type` that its section must have; empty where a section has only one shape."""

    @property
    def secret(self) -> bool:
        """Its value must never be shown."""
        return holds_secret(self.field.annotation)

    @property
    def name(self) -> str:
        """How a person calls it: the path and the variable."""
        return f"{self.path} ({self.env.name})" if self.env else self.path


@dataclass(frozen=True, slots=True)
class Branch:
    """A section at its place in the tree."""

    path: str
    """Dotted; empty for the root."""
    model: type[Section]
    variant: str = ""


def walk(model: type[Section], path: str = "", variant: str = "") -> Iterator[Branch]:
    """List a section and all sections below it, outermost first, in the order of declaration."""
    yield Branch(path, model, variant)
    for name, field in model.model_fields.items():
        below = sections_in(field.annotation)
        for section in below:
            kind = str(section.model_fields["type"].default) if len(below) > 1 else variant
            yield from walk(section, join(path, name), kind)


def leaves_of(branch: Branch) -> list[Leaf]:
    """List the settings that stand directly in a section."""
    return [
        Leaf(join(branch.path, name), field, env_of(field), branch.variant)
        for name, field in branch.model.model_fields.items()
        if not sections_in(field.annotation)
    ]


@cache
def all_leaves() -> tuple[Leaf, ...]:
    """List every setting there is."""
    return tuple(leaf for branch in walk(Settings) for leaf in leaves_of(branch))


@cache
def leaf_at(path: str, variant: str = "") -> Leaf:
    """Find a setting by its dotted path; without a variant, the first shape that has it counts.

    Raises:
        LookupError: there is no such setting.
    """
    for leaf in all_leaves():
        if leaf.path == path and variant in ("", leaf.variant):
            return leaf
    raise LookupError(path)


def join(path: str, name: str) -> str:
    """Append a name to a dotted path, which may be empty."""
    return f"{path}.{name}" if path else name


def env_of(field: FieldInfo) -> Env | None:
    """Return the marker that names the variables of a field."""
    return next((mark for mark in field.metadata if isinstance(mark, Env)), None)


def sections_in(annotation: Any) -> list[type[Section]]:  # noqa: ANN401 - annotations are anything
    """List the sections that a field may hold; a list of sections is a value, not a section."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return [section for part in get_args(annotation) for section in sections_in(part)]
    return []


def holds_secret(annotation: Any) -> bool:  # noqa: ANN401 - annotations are anything
    """Tell whether a secret may be anywhere in a value of this type."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return any(holds_secret(field.annotation) for field in annotation.model_fields.values())
    if annotation is SecretStr:
        return True
    return any(holds_secret(part) for part in get_args(annotation))

"""Whether the keys of a YAML file are ours, and whether sections are sections."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic.fields import FieldInfo

from sayna.settings.leaves import all_leaves, join, walk
from sayna.settings.problems import Problems
from sayna.settings.sources import Document
from sayna.settings.tree import Settings
from sayna.settings.values import Section, as_list, as_mapping


def check_sections(document: Document, problems: Problems) -> None:
    """Refuse each section that is a list or a text; one that is null counts as left out."""
    for path in branches():
        written = document.at(path)
        if written is not None and as_mapping(written) is None:
            place = document.place(path)
            problems.refuse(path, f"{path} ({place}): must be a section with settings below it")


def unknown_keys(document: Document) -> Iterator[str]:
    """Yield a warning for each key that no setting has, naming the closest one that exists."""
    for path, models in branches().items():
        known = [name for model in models for name in model.model_fields]
        for name in as_mapping(document.at(path)) or ():
            if name not in known:
                unknown = join(path, str(name))
                yield f"{unknown} ({document.place(unknown)}) is unknown and ignored{hint(unknown)}"


def branches() -> dict[str, list[type[Section]]]:
    """Return the dotted path of every section, with the shapes that it may have."""
    found: dict[str, list[type[Section]]] = {}
    for branch in walk(Settings):
        found.setdefault(branch.path, []).append(branch.model)
    return found


def hint(unknown: str) -> str:
    """Name the closest setting or section, wherever in the tree it stands."""
    *_, name = unknown.split(".")
    known = [*(leaf.path for leaf in all_leaves()), *(path for path in branches() if path)]
    if near := get_close_matches(unknown, known, n=1, cutoff=0.75):
        return f"; did you mean {near[0]}?"
    by_name = {path.rsplit(".", 1)[-1]: path for path in reversed(known)}
    near = get_close_matches(name, by_name, n=1, cutoff=0.75)
    near = near or get_close_matches(unknown, known, n=1, cutoff=0)
    return f"; did you mean {by_name.get(near[0], near[0])}?" if near else ""


def drop_unknown(field: FieldInfo, items: Any) -> tuple[Any, set[str]]:  # noqa: ANN401 - raw values
    """Leave out the unknown keys of a list's entries; return what is left and what went."""
    model = next((arg for arg in get_args(field.annotation) if is_section(arg)), None)
    if model is None or (entries := as_list(items)) is None:
        return items, set()
    left: list[Any] = []
    gone: set[str] = set()
    for entry in entries:
        fields = as_mapping(entry)
        known = {k: v for k, v in (fields or {}).items() if k in model.model_fields}
        left.append(entry if fields is None else known)
        gone |= {str(key) for key in (fields or {}) if key not in known}
    return left, gone


def is_section(annotation: Any) -> bool:  # noqa: ANN401 - annotations are anything
    """Tell whether a type argument is a section."""
    return isinstance(annotation, type) and issubclass(annotation, Section)

"""Answers become settings; what pydantic refuses becomes a line for a person."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sayna.settings.answers import SECRETS, SINGLE_SECRET, Answer
from sayna.settings.backend_choice import PATH as BACKEND
from sayna.settings.leaves import leaf_at
from sayna.settings.problems import Problems
from sayna.settings.recording import BACKENDS
from sayna.settings.tree import Settings

ROUNDS = 3
"""A refused setting may hide one more, so the rest is tried again, a few times."""


def build(
    answers: Mapping[str, Answer], *, backend: str | None, with_sip: bool, problems: Problems
) -> Settings:
    """Build settings; a refused one is noted and left at its default.

    Args:
        answers: by dotted path.
        backend: kind of recording backend; None for none.
        with_sip: the section `sip` is there even if nothing stands in it.
        problems: takes what is refused.
    """
    left = dict(answers)
    for _ in range(ROUNDS):
        try:
            return Settings.model_validate(nest(left, backend=backend, with_sip=with_sip))
        except ValidationError as error:
            for detail in error.errors(include_input=False, include_url=False):
                refused = blame(detail, left, backend, problems)
                left.pop(refused, None)
                if refused.startswith(f"{BACKEND}."):
                    backend = None
    return Settings()


def judge_hidden(
    hidden: Mapping[str, Answer],
    answers: Mapping[str, Answer],
    *,
    backend: str | None,
    problems: Problems,
) -> None:
    """Note what would be refused if the stronger sources fell silent.

    Args:
        hidden: answers that lost, by dotted path.
        answers: those that won.
        backend: kind of recording backend; None for none.
        problems: takes what is refused.
    """
    for path, answer in hidden.items():
        supposed = {**answers, path: answer}
        try:
            Settings.model_validate(nest(supposed, backend=backend, with_sip=False))
        except ValidationError as error:
            for detail in error.errors(include_input=False, include_url=False):
                if locate(detail["loc"])[0] == path:
                    blame(detail, supposed, backend, problems)


def nest(answers: Mapping[str, Answer], *, backend: str | None, with_sip: bool) -> dict[str, Any]:
    """Turn dotted paths into nested mappings."""
    nested: dict[str, Any] = {"sip": {}} if with_sip else {}
    for path, answer in answers.items():
        if backend is None and path.startswith(f"{BACKEND}."):
            continue
        *sections, name = path.split(".")
        here = nested
        for section in sections:
            here = here.setdefault(section, {})
        here[name] = answer.value
    if backend is not None:
        nested.setdefault("recording", {}).setdefault("backend", {})["type"] = backend
    return nested


def blame(
    detail: ErrorDetails, answers: Mapping[str, Answer], backend: str | None, problems: Problems
) -> str:
    """Note what was refused under the name of its setting; return that setting's path."""
    path, rest = locate(detail["loc"])
    if path == SECRETS and SINGLE_SECRET in answers:
        path, rest = SINGLE_SECRET, ""
    answer = answers.get(path)
    variant = backend if backend and path.startswith(f"{BACKEND}.") else ""
    name = f"{path}{rest} ({answer.origin})" if answer else leaf_at(path, variant).name
    if not problems.spoiled(path):
        problems.refuse(path, f"{name}: {explain(detail)}")
    return path


def locate(loc: tuple[int | str, ...]) -> tuple[str, str]:
    """Split a pydantic location into the path of a setting and the place inside its value."""
    shaped = loc[:2] == ("recording", "backend")  # pydantic names the shape that it tried next
    places = [place for place in loc if not (shaped and place in BACKENDS)]
    depth = next((n for n, place in enumerate(places) if isinstance(place, int)), len(places))
    inside = (f"[{place}]" if isinstance(place, int) else f".{place}" for place in places[depth:])
    return ".".join(map(str, places[:depth])), "".join(inside)


def explain(detail: ErrorDetails) -> str:
    """Say what would be right; pydantic's own words may repeat the value, so they stay out."""
    limits: Mapping[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(limits["error"])
        case "missing":
            return "is missing; this section cannot do without it"
        case "greater_than_equal":
            return f"must be {limits['ge']} or more"
        case "greater_than":
            return f"must be more than {limits['gt']}"
        case "less_than_equal":
            return f"must be {limits['le']} or less"
        case "literal_error":
            return f"must be {limits['expected']}"
        case "tuple_type":
            return "must be a list"
        case "model_type" | "model_attributes_type":
            return "must be a mapping with its fields"
        case _:
            return "must be text"

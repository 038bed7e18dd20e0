"""The one precedence: command line > environment > `.env` > YAML > default.

Every fault of every source is found before any is reported: one line each, naming the setting,
where the value stands and the cure; never the value itself, which may be a secret.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sayna.errors import SettingsInvalid
from sayna.settings.answers import (
    SECRETS,
    SINGLE_SECRET,
    Answer,
    Sources,
    asked_leaves,
    collect,
    hidden_in_file,
)
from sayna.settings.backend_choice import PATH as BACKEND
from sayna.settings.backend_choice import choose_backend
from sayna.settings.build import build, judge_hidden
from sayna.settings.problems import Problems
from sayna.settings.rules import find_problems, find_warnings
from sayna.settings.shape import check_sections, unknown_keys
from sayna.settings.sources import Document, Unreadable, read_dotenv, read_yaml
from sayna.settings.tree import Settings

DEFAULT = "default"
NO_OPTIONS: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Loaded:
    """Sound settings, where each came from, and what deserves a second look."""

    settings: Settings
    origins: Mapping[str, str]
    """Dotted path of every setting to its source, such as `environment PORT` or `default`."""
    warnings: tuple[str, ...]


def load_settings(
    *,
    config: Path | None = None,
    overrides: Mapping[str, object] = NO_OPTIONS,
    environ: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
) -> Loaded:
    """Read every source, once.

    Args:
        config: YAML file; None reads no file.
        overrides: command line options by dotted path; a None value is no option.
        environ: the process environment.
        cwd: working directory: `.env` is looked for there and above, paths are relative to it.

    Raises:
        SettingsInvalid: with every problem of every source.
    """
    folder = Path.cwd() if cwd is None else cwd
    problems = Problems()
    document, complete = read_document(config, folder, problems)
    dotenv = read_dotenv(folder)
    warnings = [*dotenv.warnings, *unknown_keys(document)]
    sources = Sources(overrides, environ, dotenv.values, document)
    backend = backend_of(sources, problems)
    answers = collect(sources, backend, problems, warnings)
    with_sip = isinstance(document.at("sip"), dict)
    settings = build(answers, backend=backend, with_sip=with_sip, problems=problems)
    hidden = hidden_in_file(sources, backend, answers)
    judge_hidden(hidden, answers, backend=backend, problems=problems)
    if complete:
        problems.add(find_problems(settings, folder))
    if problems.lines:
        raise SettingsInvalid(problems.lines)
    warnings += find_warnings(settings, folder)
    return Loaded(settings, origins_of(answers, backend), tuple(warnings))


def read_document(config: Path | None, folder: Path, problems: Problems) -> tuple[Document, bool]:
    """Read the YAML file, if any; False says that it should have been read and was not."""
    if config is None:
        return Document(), True
    try:
        document = read_yaml(folder / config)
    except Unreadable as error:
        problems.refuse("", str(error))
        return Document(), False
    check_sections(document, problems)
    return document, True


def backend_of(sources: Sources, problems: Problems) -> str | None:
    """Return the kind of recording backend; a contradiction is a problem."""
    layers = (sources.environ, sources.dotenv)
    try:
        return choose_backend(sources.overrides, layers, sources.document)
    except ValueError as error:
        problems.refuse(BACKEND, str(error))
        return None


def origins_of(answers: Mapping[str, Answer], backend: str | None) -> Mapping[str, str]:
    """Name the source of every setting, in the order of the tree."""
    origins = {leaf.path: DEFAULT for leaf in asked_leaves(backend)}
    if backend is None:
        origins[BACKEND] = DEFAULT
    origins |= {path: answer.origin for path, answer in answers.items()}
    if single := answers.get(SINGLE_SECRET):
        origins[SECRETS] = single.origin
    return MappingProxyType(origins)

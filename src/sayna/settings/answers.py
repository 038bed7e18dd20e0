"""What the sources say about each setting, the strongest first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sayna.settings.leaves import Leaf, leaves_of, walk
from sayna.settings.problems import Problems
from sayna.settings.shape import drop_unknown
from sayna.settings.sources import Document, parse_list, read_variable
from sayna.settings.tree import Settings
from sayna.settings.values import Env

SECRETS, SINGLE_SECRET = "auth.api_secrets", "auth.api_secret"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one source says about one setting."""

    value: Any
    origin: str
    """The source in a person's words: `environment PORT`, `sayna.yaml line 3`."""
    rank: int
    """0 is the strongest source."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that was read, not yet understood."""

    overrides: Mapping[str, object]
    """Command line options by dotted path; None is no option."""
    environ: Mapping[str, str]
    dotenv: Mapping[str, str]
    document: Document

    def answers(self, leaf: Leaf) -> Iterator[Answer]:
        """Yield what each source says about a setting, blank texts left out.

        Raises:
            ValueError: a source says something that does not even have the right form.
        """
        if (option := self.overrides.get(leaf.path)) is not None:
            yield Answer(option, "command line", 0)
        if leaf.env is not None:
            yield from self._from_variables(leaf.env)
        if (written := self.written(leaf)) is not None:
            yield written

    def written(self, leaf: Leaf) -> Answer | None:
        """Return what the YAML file says; blank texts and empty lists say nothing."""
        value = self.document.at(leaf.path)
        if isinstance(value, str) and not value.strip():
            value = "" if leaf.env is not None and leaf.env.blank_counts else None
        if value is None or value == []:
            return None
        return Answer(value, self.document.place(leaf.path), 3)

    def _from_variables(self, env: Env) -> Iterator[Answer]:
        layers = ("environment", self.environ), (".env", self.dotenv)
        for rank, (layer, variables) in enumerate(layers, start=1):
            for name in env.names:
                if (text := read_variable(name, env, variables)) is not None:
                    value = parse_list(text, env) if env.form else text
                    yield Answer(value, f"{layer} {name}", rank)


def collect(
    sources: Sources, backend: str | None, problems: Problems, warnings: list[str]
) -> dict[str, Answer]:
    """Return the strongest answer for every setting that any source speaks of, by dotted path."""
    found: dict[str, Answer] = {}
    for leaf in asked_leaves(backend):
        try:
            answer = next(sources.answers(leaf), None)
        except ValueError as error:
            problems.refuse(leaf.path, f"{leaf.name}: {error}")
            continue
        if answer is not None and not problems.spoiled(leaf.path):
            found[leaf.path] = without_unknown(leaf, answer, warnings)
    keep_one_kind_of_secret(found, problems)
    return found


def hidden_in_file(
    sources: Sources, backend: str | None, found: Mapping[str, Answer]
) -> dict[str, Answer]:
    """Return what the YAML file says in vain: it must be sound all the same."""
    hidden: dict[str, Answer] = {}
    for leaf in asked_leaves(backend):
        written, strongest = sources.written(leaf), found.get(leaf.path)
        if written and strongest and strongest.rank < written.rank:
            hidden[leaf.path] = without_unknown(leaf, written, [])
    return hidden


def without_unknown(leaf: Leaf, answer: Answer, warnings: list[str]) -> Answer:
    """Leave out what the entries of a list say that nobody asked."""
    value, unknown = drop_unknown(leaf.field, answer.value)
    warnings += [
        f"{leaf.path} ({answer.origin}): entries have no {name!r}; it is ignored"
        for name in sorted(unknown)
    ]
    return Answer(value, answer.origin, answer.rank)


def asked_leaves(backend: str | None) -> Iterator[Leaf]:
    """List every setting, of the recording backends only those of the chosen kind."""
    for branch in walk(Settings):
        if branch.variant in ("", backend):
            yield from leaves_of(branch)


def keep_one_kind_of_secret(found: dict[str, Answer], problems: Problems) -> None:
    """Of the list and the single secret the stronger source counts; of equals, the list."""
    listed, single = found.get(SECRETS), found.get(SINGLE_SECRET)
    if listed and single:
        del found[SINGLE_SECRET if listed.rank <= single.rank else SECRETS]
    elif single and problems.spoiled(SECRETS):
        del found[SINGLE_SECRET]

"""Which backend keeps the recordings, when several sources have a say."""

from collections.abc import Iterator, Mapping

from sayna.settings.leaves import env_of
from sayna.settings.recording import BACKENDS, TYPE
from sayna.settings.sources import Document
from sayna.settings.values import as_mapping

PATH = "recording.backend"
WORDS = {**{kind: kind for kind in BACKENDS}, "gcp": "gcs", "google": "gcs"}
"""What `RECORDING_BACKEND` may say, and which backend that is."""

EXPECTED = ", ".join(sorted(BACKENDS))


def choose_backend(
    command_line: Mapping[str, object], layers: tuple[Mapping[str, str], ...], document: Document
) -> str | None:
    """Return the kind of backend, or None when nothing asks for one.

    Args:
        command_line: overrides by dotted path.
        layers: the environment, then the `.env` file.
        document: the YAML file.

    Raises:
        ValueError: the sources contradict each other or name an unknown kind; says how to mend it.
    """
    asked = command_line.get(f"{PATH}.type")
    if asked is not None:
        return parse_kind(str(asked), f"{PATH}.type")
    by_variables = kind_of_variables(layers)
    by_file = kind_of_file(document, by_variables)
    if by_variables and by_file and by_variables != by_file:
        raise ValueError(
            f"{PATH}.type: {document.place(f'{PATH}.type')} says {by_file}, the variables "
            f"RECORDING_* say {by_variables}; take one of them out"
        )
    return by_variables or by_file


def kind_of_variables(layers: tuple[Mapping[str, str], ...]) -> str | None:
    """Return the kind that the variables name, or that all of them belong to."""
    for layer in layers:
        if named := layer.get(TYPE.name, "").strip():
            return parse_kind(named, TYPE.name)
    families = sorted(set(families_of(layers)))
    if len(families) > 1:
        raise ValueError(
            f"{PATH}.type ({TYPE.name}): there are variables for {' and '.join(families)}; "
            f"set {TYPE.name} to the one that counts"
        )
    return families[0] if families else None


def families_of(layers: tuple[Mapping[str, str], ...]) -> Iterator[str]:
    """List the backends that have a variable of their own set."""
    for kind, model in BACKENDS.items():
        marks = (env_of(field) for field in model.model_fields.values())
        own = [mark.name for mark in marks if mark is not None and mark is not TYPE]
        if any(layer.get(name, "").strip() for name in own for layer in layers):
            yield kind


def kind_of_file(document: Document, otherwise: str | None) -> str | None:
    """Return the kind that the YAML file names; `otherwise` fills a section without `type`."""
    section = as_mapping(document.at(PATH))
    if section is None:
        return None
    kind = section.get("type")
    if isinstance(kind, str) and kind in BACKENDS:
        return kind
    if kind is None or kind == "":
        if otherwise is None:
            raise ValueError(f"{PATH}.type ({document.place(PATH)}): is missing; one of {EXPECTED}")
        return otherwise
    raise ValueError(f"{PATH}.type ({document.place(f'{PATH}.type')}): must be one of {EXPECTED}")


def parse_kind(word: str, name: str) -> str:
    """Read the name of a backend in any case, aliases included."""
    if (kind := WORDS.get(word.strip().lower())) is None:
        raise ValueError(f"{PATH}.type ({name}): must be one of {EXPECTED}")
    return kind

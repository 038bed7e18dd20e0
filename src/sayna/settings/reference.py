"""The settings as documents: the example file, the reference page, the list of what is in force.

`python -m sayna.settings.reference` in the root of the project rewrites the first two;
with `--check` it changes nothing and fails when they are out of date.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from typing_extensions import override

from sayna.settings.leaves import Branch, Leaf, leaves_of, walk
from sayna.settings.load import Loaded
from sayna.settings.tree import ApiSecret, Settings, SipHook
from sayna.settings.values import Shown

EXAMPLE = Path("deploy/config.example.yaml")
PAGE = Path("docs/reference/settings.md")
MASK = "********"
UNSET = "unset"

EXAMPLE_HEAD = """\
# Every setting of Sayna, at its default. Take the `#` away from a setting to change it.
# A variable in the environment, named behind each sentence, wins over this file; an option on the
# command line wins over both. `sayna check -c FILE` shows what counts and where it came from.
# This file is generated from the settings themselves.
"""

PAGE_HEAD = """\
<!-- Generated from the settings themselves: `python -m sayna.settings.reference`. -->

# Settings

For each setting the strongest source that speaks of it counts:

1. an option on the command line,
2. a variable in the environment,
3. a `.env` file in the working directory or the nearest folder above it,
4. the YAML file given with `-c`,
5. the default.

A blank text counts as unset in every source; only an explicitly empty
`GOOGLE_APPLICATION_CREDENTIALS` has a meaning of its own. Yes and no are written `true`, `yes`,
`on`, `1` and `false`, `no`, `off`, `0`, in any case. A key that no setting has is ignored with a
warning that names the closest one. A value that cannot be used stops the start; every fault is
told at once, one line each. `sayna check` shows each setting in force with its source, secrets
masked.

What this version does not do yet has its settings already: all cloud vendors but Deepgram, turn
models, sessions in rooms, recordings, phone calls. They are checked now and used later.

[`deploy/config.example.yaml`](../../deploy/config.example.yaml) lists all of them, ready to be
copied. A list goes into a variable as JSON, addresses also with commas between them:

```sh
AUTH_API_SECRETS_JSON='[{"id": "tenant-a", "secret": "a-long-random-value"}]'
SIP_HOOKS_JSON='[{"host": "tenant-a.example", "url": "https://hooks.example/sip"}]'
SIP_ALLOWED_ADDRESSES='192.0.2.0/24, 2001:db8::7'
```
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One setting in force, fit to be shown to anybody."""

    path: str
    shown: str
    source: str

    @override
    def __str__(self) -> str:
        """Return the line that `sayna check` prints."""
        return f"{self.path} = {self.shown}  ({self.source})"


def effective(loaded: Loaded) -> list[Row]:
    """List every setting in force with its source; secrets are masked."""
    rows: list[Row] = []
    for path, source in loaded.origins.items():
        value: Any = loaded.settings
        for name in path.split("."):
            value = None if value is None else getattr(value, name, None)
        rows.append(Row(path, show(value), source))
    return rows


def show(value: object) -> str:
    """Write a value the way YAML would, with nothing secret in it."""
    match value:
        case None | "" | ():
            return UNSET
        case bool():
            return "true" if value else "false"
        case SecretStr():
            return MASK if value.get_secret_value() else '""'
        case ApiSecret():
            return f"{value.id}: {MASK}"
        case SipHook():
            return f"{value.host} -> {without_credentials(value.url)}"
        case tuple():
            return ", ".join(map(show, cast("tuple[object, ...]", value)))
        case float():
            return f"{value:g}"
        case _:
            return without_credentials(str(value))


def without_credentials(text: str) -> str:
    """Mask the user, password and query that a URL may carry; other text stays as it is."""
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return MASK
    *credentials, host = parts.netloc.rsplit("@", 1)
    netloc = f"{MASK}@{host}" if credentials else host
    return urlunsplit((parts.scheme, netloc, parts.path, parts.query and MASK, ""))


def render_example() -> str:
    """Return the example file: it loads as it stands and changes nothing."""
    lines = [EXAMPLE_HEAD]
    for branch in walk(Settings):
        if branch.path:
            lines += [*section_head(branch), *map(example_of, leaves_of(branch))]
    return "\n".join(lines).rstrip() + "\n"


def section_head(branch: Branch) -> list[str]:
    """Open a section; one of several shapes is told apart inside the section they share."""
    *above, name = branch.path.split(".")
    pad = "  " * len(above)
    what = sentence(branch.model.__doc__)
    if not branch.variant:
        return ["" if not above else f"{pad}#", f"{pad}# {what}", f"{pad}{name}:"]
    first = next(other for other in walk(Settings) if other.path == branch.path) == branch
    shared = [
        f"{pad}#",
        f"{pad}# Where recordings are kept; one of the following.",
        f"{pad}{name}:",
    ]
    return [*(shared if first else [f"{pad}  #"]), f"{pad}  # {what}"]


def example_of(leaf: Leaf) -> str:
    """Describe a setting and show it commented out."""
    *above, name = leaf.path.split(".")
    pad = "  " * len(above)
    variable = f" ({leaf.env.name})" if leaf.env else ""
    return f"{pad}# {sentence(leaf.field.description)}{variable}\n{pad}# {name}: {sample(leaf)}"


def sample(leaf: Leaf) -> str:
    """Return the default, or what one might write where there is none."""
    if leaf.field.examples:
        return str(leaf.field.examples[0])
    value = default_of(leaf.field)
    return json.dumps(value) if isinstance(value, str | bool | int | float) else '""'


def render_page() -> str:
    """Return the reference page."""
    parts = [PAGE_HEAD]
    for branch in walk(Settings):
        if branch.path and (leaves := leaves_of(branch)):
            kind = f" of type `{branch.variant}`" if branch.variant else ""
            parts += [
                f"{'#' * (2 + branch.path.count('.'))} `{branch.path}`{kind}\n",
                f"{sentence(branch.model.__doc__)}\n",
                "| Setting | Variable | Default | Meaning |",
                "|---|---|---|---|",
                *map(table_row, leaves),
                "",
            ]
    return "\n".join(parts).rstrip() + "\n"


def table_row(leaf: Leaf) -> str:
    """Return a setting as a row of the reference."""
    names = leaf.env.names if leaf.env else ()
    cells = (
        f"`{leaf.path}`",
        ", or ".join(f"`{name}`" for name in names),
        shown_default(leaf.field),
        sentence(leaf.field.description),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def shown_default(field: FieldInfo) -> str:
    """Put a default into words."""
    for mark in field.metadata:
        if isinstance(mark, Shown):
            return mark.text
    value = default_of(field)
    if field.is_required():
        return "required"
    return UNSET if value in (None, "", ()) else f"`{show(value)}`"


def default_of(field: FieldInfo) -> Any:  # noqa: ANN401 - defaults are anything
    """Return the default of a field; None when it has none."""
    return None if field.is_required() else field.get_default(call_default_factory=True)


def sentence(text: str | None) -> str:
    """Return documentation on one line."""
    return " ".join((text or "").split())


def documents() -> Iterator[tuple[Path, str]]:
    """Yield each generated file, relative to the root of the project, with its text."""
    yield EXAMPLE, render_example()
    yield PAGE, render_page()


def main(arguments: list[str], root: Path) -> int:
    """Write the generated files, or with `--check` only compare; return the exit status."""
    stale = [
        path
        for path, text in documents()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]
    if "--check" in arguments:
        for path in stale:
            sys.stderr.write(f"{path} is out of date; run python -m sayna.settings.reference\n")
        return 1 if stale else 0
    for path, text in documents():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path.cwd()))

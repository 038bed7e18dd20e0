"""Settings loaded from given sources only: no variable of the machine, no file but the given."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from sayna.errors import SettingsInvalid
from sayna.settings.load import Loaded, load_settings

NOTHING: Mapping[str, str] = MappingProxyType({})


def load(
    folder: Path,
    environ: Mapping[str, str] = NOTHING,
    *,
    yaml: str | None = None,
    dotenv: str | None = None,
    options: Mapping[str, object] = NOTHING,
) -> Loaded:
    """Load settings in a fresh folder that holds `c.yaml` and `.env` as given."""
    if yaml is not None:
        (folder / "c.yaml").write_text(yaml, encoding="utf-8")
    if dotenv is not None:
        (folder / ".env").write_text(dotenv, encoding="utf-8")
    config = None if yaml is None else Path("c.yaml")
    return load_settings(config=config, overrides=options, environ=environ, cwd=folder)


def refused(
    folder: Path, environ: Mapping[str, str] = NOTHING, *, yaml: str | None = None
) -> tuple[str, ...]:
    """Return the problems of settings that must not load."""
    with pytest.raises(SettingsInvalid) as refusal:
        load(folder, environ, yaml=yaml)
    return refusal.value.problems

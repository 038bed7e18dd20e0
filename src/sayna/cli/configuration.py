"""Settings for a command: loaded, or every fault printed and exit status 1."""

import os
from collections.abc import Mapping
from pathlib import Path

import click

from sayna.cli.refusal import refuse
from sayna.errors import SettingsInvalid
from sayna.settings.load import Loaded, load_settings
from sayna.settings.tree import Settings

config_option = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="YAML file with settings; the environment wins over it.",
)
"""The option `-c FILE` that every command with settings has."""


def load_or_exit(config: Path | None, overrides: Mapping[str, object] | None = None) -> Loaded:
    """Load the settings of this process; on any fault say all of them and leave with status 1.

    Args:
        config: the YAML file, if any.
        overrides: dotted path of a setting to the value given on the command line.
    """
    try:
        return load_settings(
            config=config, overrides=overrides or {}, environ=os.environ, cwd=Path.cwd()
        )
    except SettingsInvalid as invalid:
        refuse(*invalid.problems)


def models_folder(settings: Settings) -> Path | None:
    """Return where `sayna init` keeps models: below the cache folder, if there is one."""
    return None if settings.cache.path is None else settings.cache.path / "models"

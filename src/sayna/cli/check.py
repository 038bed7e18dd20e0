"""`sayna check`: the settings in force, where each came from, and every fault in them."""

import sys
from pathlib import Path

import click

from sayna.auth.opening import check_signing_key
from sayna.cli.configuration import config_option, load_or_exit
from sayna.cli.refusal import refuse
from sayna.errors import SettingsInvalid
from sayna.settings.reference import effective


@click.command("check", short_help="Show the settings in force and every fault in them.")
@config_option
@click.option("--strict", is_flag=True, help="Warnings, such as unknown keys, are faults too.")
def command(config: Path | None, strict: bool) -> None:
    """Show each effective setting with its source; secrets are masked.

    Status 1 when the settings would not start a server; every fault is a line on stderr.

    \b
    Examples:
      sayna check
      sayna check -c sayna.yaml
      sayna check -c sayna.yaml --strict && sayna -c sayna.yaml
    """  # noqa: D301 - \b is click's mark for a paragraph that keeps its lines
    loaded = load_or_exit(config)
    try:
        check_signing_key(loaded.settings.auth)
    except SettingsInvalid as invalid:
        refuse(*invalid.problems)
    for row in effective(loaded):
        click.echo(str(row))
    kind = "Error" if strict else "Warning"
    for warning in loaded.warnings:
        click.echo(f"{kind}: {warning}", err=True)
    if strict and loaded.warnings:
        sys.exit(1)

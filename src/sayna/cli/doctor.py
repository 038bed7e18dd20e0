"""`sayna doctor`: speak a sentence through a server of its own, listen to it, report each part."""

import asyncio
import os
import sys
from pathlib import Path

import click

from sayna.cli.checkup import CHECKS, Finding, Subject, examine, first_line
from sayna.cli.configuration import config_option
from sayna.cli.gateway import open_gateway
from sayna.cli.own_server import OwnServerFailed, open_own_server
from sayna.errors import SettingsInvalid
from sayna.settings.load import load_settings
from sayna.settings.tree import Settings


@click.command("doctor", short_help="Speak, listen and report which parts work.")
@config_option
@click.option(
    "--api-key",
    envvar="SAYNA_API_KEY",
    metavar="KEY",
    help="Token for a server whose callers an auth service knows. Rather set SAYNA_API_KEY.",
)
def command(config: Path | None, api_key: str | None) -> None:
    """Examine this installation and these settings.

    Starts a server of its own on a free port of this machine, speaks a sentence through
    POST /speak, listens to it through /ws, and prints one line for each part: ok, off, or FAIL
    with the cure. Status 1 when something is broken.

    \b
    Examples:
      sayna doctor
      sayna doctor -c sayna.yaml
      CACHE_PATH=/var/lib/sayna sayna doctor
    """  # noqa: D301 - \b is click's mark for a paragraph that keeps its lines
    findings = asyncio.run(examine_all(config, api_key))
    for finding in findings:
        click.echo(finding.render())
    broken = sum(finding.state == "FAIL" for finding in findings)
    click.echo(f"{broken} broken." if broken else "Everything that is on works.")
    sys.exit(1 if broken else 0)


async def examine_all(config: Path | None, api_key: str | None) -> list[Finding]:
    """Check the settings; when they are sound, a server started with them too."""
    cure = "mend this setting; `sayna check` shows where each value comes from"
    try:
        loaded = load_settings(config=config, environ=os.environ, cwd=Path.cwd())
    except SettingsInvalid as invalid:
        return [Finding("settings", "FAIL", problem, cure) for problem in invalid.problems]
    warned = f", {len(loaded.warnings)} warnings (see `sayna check`)" if loaded.warnings else ""
    sound = Finding("settings", "ok", f"sound{warned}")
    return [sound, *await examine_own_server(config, loaded.settings, api_key)]


async def examine_own_server(
    config: Path | None, settings: Settings, api_key: str | None
) -> list[Finding]:
    """Start a server, run every check against it, stop it."""
    key = api_key or first_secret(settings)
    try:
        async with open_own_server(config) as url, open_gateway(url, key) as gateway:
            return await examine(Subject(settings, gateway), CHECKS)
    except* OwnServerFailed as failed:
        says = f"did not start: {first_line(failed)}"
    return [Finding("server", "FAIL", says, "run `sayna serve` and read what it says")]


def first_secret(settings: Settings) -> str | None:
    """Return a key that the server will accept, when it has keys of its own."""
    secrets = settings.auth.api_secrets if settings.auth.required else ()
    return secrets[0].secret.get_secret_value() if secrets else None

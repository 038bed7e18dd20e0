"""`sayna serve`: the server, from settings to the last goodbye."""

from pathlib import Path

import click

from sayna.cli import logs
from sayna.cli.configuration import config_option, load_or_exit
from sayna.cli.overview import overview
from sayna.cli.refusal import refuse
from sayna.errors import SaynaError


@click.command("serve", short_help="Start the server.")
@config_option
@click.option("--host", help="Address to listen on; wins over HOST and server.host.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Port to listen on; 0 takes any free one."
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    help="Least severity that is logged; wins over LOG_LEVEL.",
)
def command(config: Path | None, host: str | None, port: int | None, log_level: str | None) -> None:
    """Start the server and serve until SIGTERM or Ctrl-C.

    Settings come from the command line, then the environment, then a file `.env`, then the
    YAML file, then defaults. A start with unsound settings prints every fault and ends with
    status 1.

    \b
    Examples:
      sayna serve
      sayna serve --host 127.0.0.1 --port 8080
      sayna serve -c sayna.yaml --log-level debug
    """  # noqa: D301 - \b is click's mark for a paragraph that keeps its lines
    if config is not None:
        click.echo(f"Loading configuration from {config}")
    given = {"server.host": host, "server.port": port, "logging.level": log_level}
    loaded = load_or_exit(config, {path: v for path, v in given.items() if v is not None})
    settings = loaded.settings
    logs.configure(settings.logging.level, settings.logging.format)
    for warning in loaded.warnings:
        click.echo(f"Warning: {warning}", err=True)
    from sayna.app import render_address, serve  # no sooner: not needed to refuse a start

    click.echo(f"Starting server on {render_address(settings.server.host, settings.server.port)}")

    announced: list[str] = []

    def announce(address: str, bound_port: int) -> None:
        announced.append(f"Server listening on {render_address(address, bound_port)}")
        click.echo("\n".join([*announced, *overview(settings)]))

    try:
        serve(settings, on_listening=announce)
    except KeyboardInterrupt:
        return
    except (OSError, SaynaError) as error:
        refuse(*(str(error).splitlines() or [type(error).__name__]))
    if not announced:
        refuse("the server did not start; the log above says why")

"""The command line: `sayna`, and one module for each of its commands.

A command's module is imported only when that command is asked for, so that `sayna --help` and
`sayna serve` do not pay for each other's imports.
"""

from importlib import import_module
from pathlib import Path

import click
from typing_extensions import override

from sayna import __version__

COMMANDS = {
    "serve": "Start the server (plain `sayna` does the same).",
    "check": "Show the settings in force and every fault in them.",
    "doctor": "Speak, listen and report which parts work.",
    "init": "Fetch the optional models.",
    "openapi": "Print the OpenAPI document.",
    "speak": "Turn text into a sound file.",
    "listen": "Turn a WAV file into text.",
    "conformance": "Hold a speech provider to its rules.",
}
"""Name and summary of every command: what `sayna --help` shows without importing any of them."""

NAMES = {"help_option_names": ["-h", "--help"]}


class Commands(click.Group):
    """A group whose commands lie in modules of this package, imported when asked for."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"{__name__}.{cmd_name}").command
        return command

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, invoke_without_command=True, context_settings=NAMES)
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="YAML file with settings; the environment wins over it.",
)
@click.version_option(__version__, "-V", "--version", message="sayna %(version)s")
@click.pass_context
def main(context: click.Context, config: Path | None) -> None:
    """Give any application a voice: speech to text and text to speech behind one WebSocket.

    Without a command, Sayna starts the server.

    \b
    Examples:
      sayna                        serve on 0.0.0.0:3001 with settings from the environment
      sayna -c sayna.yaml          the same with a settings file
      sayna speak "Hello" -o hello.wav
      sayna listen hello.wav
      sayna doctor                 is everything in order?
    """  # noqa: D301 - \b is click's mark for a paragraph that keeps its lines
    if config is not None:
        # `sayna -c FILE check` means `sayna check -c FILE`; a command's own -c wins.
        context.default_map = {name: {"config": str(config)} for name in COMMANDS}
    if context.invoked_subcommand is None:
        serve = main.get_command(context, "serve")
        if serve is not None:
            context.invoke(serve, config=config)

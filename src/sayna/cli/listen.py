"""`sayna listen`: a WAV file to text, through `/ws` of a running server."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import click

from sayna.audio.wav import NotWav
from sayna.cli.gateway import GatewayError, ListenRequest, Message, open_gateway
from sayna.cli.refusal import refuse
from sayna.cli.server_options import server_options
from sayna.cli.sound import Sound

CLEAR_LINE = "\r\x1b[K"


@click.command("listen", short_help="Turn a WAV file into text.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@server_options
@click.option("--provider", default="local", show_default=True, metavar="NAME", help="Who listens.")
@click.option(
    "--model",
    default="",
    metavar="NAME",
    help="A model of that provider, for example grammar:demo or vosk:FOLDER.",
)
@click.option("--language", default="en-US", show_default=True, metavar="TAG")
@click.option("--realtime", is_flag=True, help="Send at the pace of speech, as a microphone would.")
@click.option("--json", "raw", is_flag=True, help="Print every message as it came, one per line.")
@click.option(
    "--wait",
    "quiet_s",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0.1, 60),
    metavar="SECONDS",
    help="Stop when nothing more was heard for so long.",
)
def command(
    file: Path,
    url: str,
    api_key: str | None,
    provider: str,
    model: str,
    language: str,
    realtime: bool,
    raw: bool,
    quiet_s: float,
) -> None:
    """Send the WAV file FILE to a running server and print what it hears.

    Each final result is a line on stdout; on a terminal the words of the moment show while
    they change. Status 1 when the server reported an error.

    \b
    Examples:
      sayna listen hello.wav
      sayna listen order.wav --model grammar:demo
      sayna listen call.wav --provider local --realtime --json
    """  # noqa: D301 - \b is click's mark for a paragraph that keeps its lines
    results = Results(raw=raw, terminal=sys.stdout.isatty())
    try:
        sound = Sound.read(file)
        wish = ListenRequest(provider, model, language)
        asyncio.run(_ask(url, api_key, wish, sound, results, realtime=realtime, quiet_s=quiet_s))
    except (GatewayError, NotWav) as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"{file}: {error.strerror or error}")
    if results.errors:
        sys.exit(1)


class Results:
    """Prints what a session says; remembers how many errors it told.

    Args:
        raw: print messages as they came.
        terminal: interim results overwrite each other; otherwise they are left out.
        write: takes text for stdout.
    """

    def __init__(
        self, *, raw: bool, terminal: bool, write: Callable[[str], object] | None = None
    ) -> None:
        self.errors = 0
        self._raw = raw
        self._terminal = terminal
        self._write = write or _to_stdout

    def hear(self, message: Message) -> None:
        """Take one message of the session."""
        failed = message.get("type") == "error"
        self.errors += failed
        if self._raw:
            self._write(json.dumps(message, ensure_ascii=False) + "\n")
        elif failed:
            click.echo(f"Error: {message.get('message')}", err=True)
        elif message.get("type") == "stt_result":
            self._show(str(message.get("transcript", "")), final=message.get("is_final") is True)

    def _show(self, words: str, *, final: bool) -> None:
        words = "".join(filter(str.isprintable, words))  # nobody else steers this terminal
        start = CLEAR_LINE if self._terminal else ""
        if final and words.strip():
            self._write(f"{start}{words}\n")
        elif self._terminal and not final:
            self._write(f"{start}{words}")


def _to_stdout(text: str) -> None:
    click.echo(text, nl=False)


async def _ask(
    url: str,
    api_key: str | None,
    wish: ListenRequest,
    sound: Sound,
    results: Results,
    *,
    realtime: bool,
    quiet_s: float,
) -> None:
    async with (
        open_gateway(url, api_key) as gateway,
        gateway.open_conversation(wish.to_config(sound)) as conversation,
    ):
        await conversation.transcribe(sound, results.hear, realtime=realtime, quiet_s=quiet_s)

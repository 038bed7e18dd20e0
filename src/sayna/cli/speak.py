"""`sayna speak`: text to a sound file, through a running server."""

import asyncio
import sys
from pathlib import Path

import click

from sayna.cli.gateway import GatewayError, Speech, SpeechRequest, open_gateway
from sayna.cli.refusal import refuse
from sayna.cli.server_options import server_options
from sayna.cli.sound import Sound


@click.command("speak", short_help="Turn text into a sound file.")
@click.argument("text")
@click.option(
    "-o", "--output", required=True, metavar="FILE", help="Sound file to write; - is stdout."
)
@server_options
@click.option("--provider", metavar="NAME", help="Who speaks; the server's first choice if absent.")
@click.option(
    "--voice", metavar="ID", help="A voice of GET /voices, for example en-gb or en-us+f3."
)
@click.option(
    "--format",
    "audio_format",
    default="wav",
    show_default=True,
    metavar="NAME",
    help="wav, or a format of the server (linear16, mulaw, mp3, ...) written without a header.",
)
@click.option(
    "--rate",
    default=24_000,
    show_default=True,
    type=click.IntRange(8_000, 48_000),
    help="Samples per second.",
)
@click.option("--speed", type=float, metavar="FACTOR", help="Speaking rate: 1.0 is normal.")
def command(
    text: str,
    output: str,
    url: str,
    api_key: str | None,
    provider: str | None,
    voice: str | None,
    audio_format: str,
    rate: int,
    speed: float | None,
) -> None:
    """Have a running server speak TEXT and save the sound.

    TEXT may be - to read it from stdin.

    \b
    Examples:
      sayna speak "Good morning." -o morning.wav
      sayna speak "Good morning." -o - | aplay
      sayna speak "Guten Morgen." -o morgen.wav --voice de --rate 16000
      echo "A long text" | sayna speak - -o long.wav
    """  # noqa: D301 - \b is click's mark for a paragraph that keeps its lines
    wish = SpeechRequest(
        text=sys.stdin.read() if text == "-" else text,
        provider=provider,
        voice=voice,
        # The header of a WAV is ours to write: not every provider makes WAV files.
        audio_format="linear16" if audio_format == "wav" else audio_format,
        sample_rate=rate,
        speaking_rate=speed,
    )
    try:
        speech = asyncio.run(_ask(url, api_key, wish))
        _save(render(speech, audio_format), output)
    except (GatewayError, OSError) as error:
        refuse(str(error))


def render(speech: Speech, audio_format: str) -> bytes:
    """Return the file's content; `wav` wraps raw samples and leaves anything else as it came."""
    if audio_format == "wav" and speech.audio_format in ("linear16", "pcm"):
        return Sound(speech.audio, speech.sample_rate).to_wav()
    return speech.audio


async def _ask(url: str, api_key: str | None, wish: SpeechRequest) -> Speech:
    async with open_gateway(url, api_key) as gateway:
        return await gateway.speak(wish)


def _save(audio: bytes, output: str) -> None:
    if output == "-":
        click.echo(audio, nl=False)
        return
    Path(output).write_bytes(audio)
    click.echo(f"{output}: {len(audio)} bytes", err=True)

"""`sayna conformance`: hold a speech provider to the rules that every provider keeps."""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import click

from sayna.cli.configuration import config_option, load_or_exit
from sayna.cli.refusal import refuse

NEEDED = ("pytest", "anyio")


@click.command("conformance", short_help="Hold a speech provider to its rules.")
@click.argument("name")
@config_option
@click.option(
    "--case",
    "reference",
    metavar="MODULE:NAME",
    help="A sayna.conformance.Case, or several, that describe the provider.",
)
@click.option("--stt-model", "stt_model", metavar="NAME", help="stt_config.model.")
@click.option("--stt-language", "stt_language", metavar="TAG", help="stt_config.language.")
@click.option(
    "--stt-rate", "stt_sample_rate", type=int, metavar="HZ", help="stt_config.sample_rate."
)
@click.option("--stt-encoding", "stt_encoding", metavar="NAME", help="stt_config.encoding.")
@click.option(
    "--recording",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="WAV file that it understands, if its own voice or none does not do.",
)
@click.option("--words", metavar="TEXT", help="What the recording says.")
@click.option("--voice", "tts_voice_id", metavar="ID", help="tts_config.voice_id.")
@click.option("--tts-model", "tts_model", metavar="NAME", help="tts_config.model.")
@click.option("--tts-format", "tts_audio_format", metavar="NAME", help="tts_config.audio_format.")
@click.option(
    "--tts-rate", "tts_sample_rate", type=int, metavar="HZ", help="tts_config.sample_rate."
)
@click.option("--recognizer-only", is_flag=True, help="It does not speak, or that is not asked.")
@click.option("--synthesizer-only", is_flag=True, help="It does not listen, or that is not asked.")
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS]")
def command(
    name: str,
    config: Path | None,
    reference: str | None,
    recording: Path | None,
    words: str | None,
    recognizer_only: bool,
    synthesizer_only: bool,
    pytest_arguments: tuple[str, ...],
    **fields: str | int | None,
) -> None:
    """Check the speech provider NAME against every rule that Sayna's own providers keep.

    NAME is an installed provider, or a case that --case declares. Each rule is a test; a failure
    says what is wrong, what helps, and the rule with its reason. What stands behind -- goes to
    pytest. The status is pytest's: 0 when every rule is kept.

    Vendors bill for what they do here: a few minutes of speech.

    \b
    Examples:
      sayna conformance local --stt-model grammar:demo
      sayna conformance morse --synthesizer-only
      sayna conformance myvendor --recording hello.wav --words "hello there"
      sayna conformance myvendor --case my_package.conformance_case:CASE -- -x -k cancel
    """  # noqa: D301 - \b is click's mark for a paragraph that keeps its lines
    if missing := [package for package in NEEDED if find_spec(package) is None]:
        refuse(f"{' and '.join(missing)} missing: pip install 'sayna[conformance]'")
    if recognizer_only and synthesizer_only:
        refuse("--recognizer-only and --synthesizer-only leave nothing to check: give one of them")
    from sayna.conformance.choice import CannotChoose, Wish, choose  # pytest may be missing above
    from sayna.conformance.suite import run

    wish = Wish(
        reference,
        listening=given(fields, "stt"),
        speaking=given(fields, "tts"),
        recording=recording,
        words=words,
        listens=not synthesizer_only,
        speaks=not recognizer_only,
    )
    try:
        case = choose(name, load_or_exit(config).settings, wish)
    except CannotChoose as why:
        refuse(str(why))
    sys.exit(run([case], pytest_arguments))


def given(fields: Mapping[str, str | int | None], side: str) -> dict[str, object]:
    """Return what was given for one side, `stt` or `tts`: of `stt_model` the `model`."""
    mine = {name: value for name, value in fields.items() if name.startswith(f"{side}_")}
    return {name[4:]: value for name, value in mine.items() if value is not None}

"""What a synthesizer delivers is what it says, and what it cannot do it refuses on opening."""

import re
from dataclasses import replace

import pytest

from sayna.audio.formats import sample_bytes
from sayna.audio.wav import NotWav, parse_wav
from sayna.conformance.case import Speaking
from sayna.conformance.utterances import duration_s, is_alike, spoken
from sayna.errors import ProviderMisconfigured
from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import AudioFormat, Provider

WORD_S = (0.02, 3.0)
"""How long a word may last, s, on average: the fastest and the slowest voice."""


async def test_speech_has_the_declared_format(provider: Provider, speaking: Speaking) -> None:
    """`audio_format` says what really comes, for the client plays it as that.

    Samples are whole, a WAV file has a header that fits, and speech lasts as long as speech does.
    """
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        declared = synthesizer.audio_format
        audio = await spoken(synthesizer, speaking.text)
        assert synthesizer.audio_format == declared, (
            "audio_format changed while speaking: it is read once, on opening"
        )
    assert audio, f"{speaking.text!r} is no audio at all"
    _hold_to(declared, audio)
    seconds = duration_s(audio, declared)
    words = max(1, len(speaking.text.split()))
    assert seconds is None or WORD_S[0] * words <= seconds <= WORD_S[1] * words, (
        f"{words} words last {seconds:g} s as {declared}: the rate or the format is another one"
    )


async def test_each_format_is_delivered_or_refused(
    provider: Provider, speaking: Speaking, wanted_format: tuple[str, int]
) -> None:
    """Every `audio_format` and `sample_rate` is either spoken in or refused on opening.

    Refused means `ProviderMisconfigured` before the block begins: the client then reads one error
    instead of `ready`, rather than noise in the middle of a conversation.
    """
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        usual = duration_s(await spoken(synthesizer, speaking.text), synthesizer.audio_format)
    name, rate = wanted_format
    options = replace(speaking.options, audio_format=name, sample_rate=rate)
    opening = provider.open_synthesizer(options)
    try:
        synthesizer = await opening.__aenter__()
    except ProviderMisconfigured:
        return
    try:
        declared = synthesizer.audio_format
        audio = await spoken(synthesizer, speaking.text)
    finally:
        await opening.__aexit__(None, None, None)
    assert audio, f"{name} at {rate} Hz was accepted, and nothing came: refuse it on opening"
    _hold_to(declared, audio)
    seconds = duration_s(audio, declared)
    assert seconds is None or usual is None or is_alike(seconds, usual, speaking.variation), (
        f"the text lasts {seconds:.2f} s when {name} at {rate} Hz is wanted and {usual:.2f} s"
        f" usually: what comes is not {declared}. Convert it (sayna.audio.convert.Outbound), or"
        " declare what really comes"
    )


async def test_an_unknown_format_is_refused_on_opening(
    provider: Provider, speaking: Speaking
) -> None:
    """A format that nobody knows is a mistake of the client, who must read so on opening."""
    if speaking.unknown_format is None:
        pytest.skip("the case says that any name may be a format")
    options = replace(speaking.options, audio_format=speaking.unknown_format)
    await _must_refuse(provider, options, f"audio_format|{re.escape(speaking.unknown_format)}")


@pytest.mark.parametrize("rate", [0, -8_000])
async def test_an_impossible_rate_is_refused_on_opening(
    provider: Provider, speaking: Speaking, rate: int
) -> None:
    """A rate that cannot be is refused on opening, with a text that names the field."""
    options = replace(speaking.options, sample_rate=rate)
    await _must_refuse(provider, options, r"tts_config\.sample_rate")


async def test_an_unknown_voice_is_refused_on_opening(
    provider: Provider, speaking: Speaking
) -> None:
    """A voice that is not there is refused on opening: a default in its place surprises callers."""
    if speaking.unknown_voice is None:
        pytest.skip("the case says that any id may be a voice")
    options = replace(speaking.options, voice_id=speaking.unknown_voice)
    await _must_refuse(provider, options, re.escape(speaking.unknown_voice))


async def _must_refuse(provider: Provider, options: SynthesizerOptions, naming: str) -> None:
    refusal: str | None = None
    try:
        async with provider.open_synthesizer(options):
            pass
    except ProviderMisconfigured as error:
        refusal = str(error)
    assert refusal is not None, (
        f"open_synthesizer took {options!r}: raise ProviderMisconfigured before the block begins"
    )
    assert re.search(naming, refusal), (
        f"the refusal {refusal!r} does not name what is wrong ({naming}): name it"
    )


def _hold_to(declared: AudioFormat, audio: bytes) -> None:
    assert declared.name, f"{declared} has no name"
    assert declared.sample_rate > 0, f"{declared} has no rate"
    width = sample_bytes(declared.name) or 1
    assert len(audio) % width == 0, (
        f"{len(audio)} bytes of {declared.name} are no whole samples: an utterance must end where"
        " a sample does"
    )
    if declared.name == "wav":
        try:
            wav = parse_wav(audio)
        except NotWav as error:
            raise AssertionError(f"{error}: the chunks of `wav` form one file") from error
        assert wav.sample_rate == declared.sample_rate, (
            f"the header says {wav.sample_rate} Hz, audio_format {declared.sample_rate} Hz"
        )
        assert len(wav.samples), "the WAV file is empty"
    else:
        assert declared.name not in {"linear16", "pcm"} or audio[:4] != b"RIFF", (
            f"{declared.name} begins with a WAV header: leave it out, or declare `wav`"
        )

"""What a recognizer makes of audio: events in order, the same ones however the audio comes."""

from dataclasses import replace

import pytest

from sayna.conformance.case import Hearing
from sayna.conformance.streams import (
    ODD_SIZES,
    Recording,
    cut,
    drain,
    encode,
    feed,
    final_text,
    frames,
    hear,
    show,
    silence,
)
from sayna.errors import ProviderMisconfigured
from sayna.speech.events import RecognizerFault, SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions
from sayna.speech.protocols import Provider


async def test_the_words_are_heard(
    provider: Provider, hearing: Hearing, recording: Recording
) -> None:
    """The finals, joined, are what was said; when `finish` was called the last of them comes too.

    `events` ends by itself then: a session waits for that.
    """
    events = await hear(provider, hearing.options, recording.audio)
    assert recording.is_in(events), (
        f"{hearing.words!r} was said and {final_text(events)!r} heard; {show(events)}\nSend what is"
        " left to the engine on `finish`, and wait for its last final before `events` ends"
    )


async def test_results_are_well_formed(
    provider: Provider, hearing: Hearing, recording: Recording
) -> None:
    """Events are `Transcript`s and `RecognizerFault`s, and each result makes sense by itself.

    Confidence is 0 to 1; what is speech-final is final; only a speech-final may be blank.
    """
    events: list[object] = [*await hear(provider, hearing.options, recording.audio)]
    for event in events:
        if isinstance(event, RecognizerFault):
            continue
        assert isinstance(event, Transcript), f"{event!r} is neither Transcript nor RecognizerFault"
        assert 0 <= event.confidence <= 1, f"the confidence of {event!r} is not within 0 to 1"
        assert event.is_final or not event.is_speech_final, f"{event!r} is speech-final, not final"
        assert event.text.strip() or event.is_speech_final, (
            f"{event!r} is blank: tell no interim or final without words"
        )


async def test_a_segment_ends_with_its_final(
    provider: Provider, hearing: Hearing, recording: Recording
) -> None:
    """Interims come before the final of their segment, never behind the last one.

    A client shows an interim until the final takes its place; one left over stays for ever.
    """
    events = await hear(provider, hearing.options, recording.audio)
    results = [event for event in events if isinstance(event, Transcript)]
    assert results, f"speech gave no result; {show(events)}"
    assert results[-1].is_final, (
        f"an interim is the last event; {show(events)}\nOn `finish` wait for the final, or make"
        " one of the interim when the engine gives none"
    )


@pytest.mark.parametrize("pieces", ["odd sizes", "100 ms", "whole"])
async def test_words_do_not_depend_on_how_the_audio_is_cut(
    provider: Provider, hearing: Hearing, recording: Recording, pieces: str
) -> None:
    """Audio in one piece, in frames of any length or in odd bytes is the same audio.

    Clients and networks cut where they like. `sayna.audio.convert.Inbound` carries half samples.
    """
    audio = recording.audio
    sizes = {"odd sizes": ODD_SIZES, "whole": [max(1, len(audio))]}.get(pieces)
    cuts = frames(audio, hearing.options, 100) if sizes is None else cut(audio, sizes)
    async with provider.open_recognizer(hearing.options) as recognizer:
        await feed(recognizer, cuts)
        events = await drain(recognizer)
    assert recording.is_in(events), (
        f"cut into {pieces} {hearing.words!r} became {final_text(events)!r}; {show(events)}\n"
        "Carry the part of a sample that came without its rest to the next bytes"
    )


async def test_each_encoding_is_understood_or_refused(
    provider: Provider, hearing: Hearing, recording: Recording, encoding: str
) -> None:
    """Every `encoding` is heard as what it is, or refused with `ProviderMisconfigured` on opening.

    One that is taken for another is noise, and the client never learns why nothing is heard.
    """
    options = replace(hearing.options, encoding=encoding)
    if await _is_refused(provider, options) is not None:
        return
    events = await hear(provider, options, encode(recording.pcm, options))
    assert recording.is_in(events), (
        f"as {encoding} {hearing.words!r} became {final_text(events)!r}; {show(events)}\nConvert it"
        " (sayna.audio.convert.Inbound), tell the engine, or refuse it on opening"
    )


async def test_an_unknown_encoding_is_refused_on_opening(
    provider: Provider, hearing: Hearing
) -> None:
    """An encoding that nobody knows is refused on opening, with a text that names the field."""
    options = replace(hearing.options, encoding="no-such-encoding")
    _must_name(await _is_refused(provider, options), "encoding")


@pytest.mark.parametrize("rate", [0, -8_000])
async def test_an_impossible_rate_is_refused_on_opening(
    provider: Provider, hearing: Hearing, rate: int
) -> None:
    """A rate that cannot be is refused on opening, with a text that names the field."""
    options = replace(hearing.options, sample_rate=rate)
    _must_name(await _is_refused(provider, options), "stt_config.sample_rate")


async def test_silence_gives_no_words(provider: Provider, hearing: Hearing) -> None:
    """Two seconds of silence are no words: clients send silence most of the time."""
    events = await hear(provider, hearing.options, silence(hearing.options, 2.0))
    assert not _has_words(events), (
        f"silence became {show(events)}\nDrop what the engine makes up, by its confidence or by"
        " looking at the audio"
    )


async def test_empty_audio_is_harmless(provider: Provider, hearing: Hearing) -> None:
    """`send_audio(b"")` means nothing, and a stream without any audio ends like others."""
    async with provider.open_recognizer(hearing.options) as recognizer:
        recognizer.send_audio(b"")
        recognizer.finalize()
        recognizer.send_audio(b"")
        events = await drain(recognizer)
    assert not _has_words(events), f"no audio became {show(events)}"


def _has_words(events: list[SpeechEvent]) -> bool:
    return any(isinstance(event, Transcript) and event.text.strip() for event in events)


async def _is_refused(
    provider: Provider, options: RecognizerOptions
) -> ProviderMisconfigured | None:
    """Return the refusal; None: the options were taken."""
    try:
        async with provider.open_recognizer(options):
            return None
    except ProviderMisconfigured as error:
        return error


def _must_name(refusal: ProviderMisconfigured | None, field: str) -> None:
    assert refusal is not None, (
        f"an impossible {field} was taken: raise ProviderMisconfigured before the block begins"
    )
    assert field in str(refusal), f"the refusal {str(refusal)!r} does not name {field}: name it"

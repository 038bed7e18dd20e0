"""Which provider is put to the test: a name, perhaps a declared `Case`, perhaps options.

A name alone is an installed provider with the options that a client would send by default.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from sayna.audio.convert import Inbound
from sayna.audio.wav import NotWav, parse_wav
from sayna.conformance.case import Case, Hearing, Speaking, Speech
from sayna.conformance.utterances import own_speech
from sayna.errors import SaynaError
from sayna.providers.credentials import resolve_credentials
from sayna.providers.registry import canonical, offered
from sayna.settings.tree import Settings
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import Provider

DEFAULT_RATE_HZ = 16_000


class CannotChoose(Exception):
    """There is nothing to put to the test; the text says why and what helps."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line may say; what it does not say stays as it is."""

    reference: str | None = None
    """`MODULE:NAME` of a `Case` or of several."""
    listening: Mapping[str, object] = field(default_factory=dict[str, object])
    """Fields of `RecognizerOptions`."""
    speaking: Mapping[str, object] = field(default_factory=dict[str, object])
    """Fields of `SynthesizerOptions`."""
    recording: Path | None = None
    """A WAV file that the recognizer understands."""
    words: str | None = None
    """What the recording says."""
    listens: bool = True
    speaks: bool = True


def choose(name: str, settings: Settings, wish: Wish) -> Case:
    """Return the case that is meant.

    Raises:
        CannotChoose: nobody of that name is there, or a wish cannot be met.
    """
    if wish.reference is None:
        case = _installed(name, settings)
    else:
        case = replace(_declared(wish.reference, name), settings=settings)
    return _adjusted(case, wish)


def _declared(reference: str, name: str) -> Case:
    """Import what the author declared; the current folder counts, as for `python -m`."""
    module, colon, attribute = reference.partition(":")
    if not (module and colon and attribute):
        raise CannotChoose(f"--case {reference!r} must be MODULE:NAME, for example my_package:CASE")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: object = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise CannotChoose(f"--case {reference}: {error}") from error
    cases = [found] if isinstance(found, Case) else found
    if not isinstance(cases, Sequence):
        raise CannotChoose(f"--case {reference} is no Case, nor a list or tuple of them")
    declared = [case for case in cast("Sequence[object]", cases) if isinstance(case, Case)]
    for case in declared:
        if case.name == name:
            return case
    have = ", ".join(case.name for case in declared) or "none"
    raise CannotChoose(f"--case {reference} has no case {name!r} (it has {have})")


def _installed(name: str, settings: Settings) -> Case:
    found, wanted = offered(settings), canonical(name)
    if wanted not in found:
        have = ", ".join(sorted(found)) or "none"
        raise CannotChoose(
            f"no provider {wanted!r} is installed or switched on here (there are: {have}). Install"
            " its package, or name it by --case MODULE:NAME"
        )
    try:
        _, credentials = resolve_credentials(wanted, None, settings, known=found.__contains__)
    except SaynaError as error:
        raise CannotChoose(str(error)) from error
    voice = SynthesizerOptions(wanted, sample_rate=DEFAULT_RATE_HZ, credentials=credentials)
    ear = RecognizerOptions(wanted, sample_rate=DEFAULT_RATE_HZ, credentials=credentials)
    return Case(wanted, found[wanted].load(), Speaking(voice), Hearing(ear), settings)


def _adjusted(case: Case, wish: Wish) -> Case:
    speaking, hearing = case.speaking, case.hearing
    change = cast("Callable[..., Any]", replace)  # the fields are the command line's to name
    if speaking is not None:
        speaking = replace(speaking, options=change(speaking.options, **wish.speaking))
    if hearing is not None:
        hearing = replace(hearing, options=change(hearing.options, **wish.listening))
    if hearing is not None:
        hearing = _with_speech(hearing, speaking if wish.speaks else None, wish)
    speaking = speaking if wish.speaks else None
    hearing = hearing if wish.listens else None
    if speaking is None and hearing is None:
        raise CannotChoose(f"nothing of {case.name} is left to check: it has no such side")
    return replace(case, speaking=speaking, hearing=hearing)


def _with_speech(hearing: Hearing, speaking: Speaking | None, wish: Wish) -> Hearing:
    """Say what it hears: the recording, what the case has, or the provider's own voice."""
    if wish.recording is not None:
        if not wish.words:
            raise CannotChoose("--recording needs --words: what the recording says")
        pcm = _read(wish.recording, hearing.options.sample_rate)
        return replace(hearing, speech=_recorded(pcm), words=wish.words)
    if hearing.speech is None and speaking is not None:
        rate = hearing.options.sample_rate
        speech = _own(speaking, rate)
        return replace(hearing, speech=speech, words=speaking.text)
    return hearing


def _recorded(pcm: bytes) -> Speech:
    async def speech(_: Provider) -> bytes:
        return pcm

    return speech


def _own(speaking: Speaking, rate: int) -> Speech:
    async def speech(provider: Provider) -> bytes:
        return await own_speech(provider, speaking.options, speaking.text, rate)

    return speech


def _read(path: Path, rate: int) -> bytes:
    try:
        wav = parse_wav(path.read_bytes())
        convert = Inbound("linear16", wav.sample_rate, wav.channels, rate)
    except (OSError, NotWav, ValueError) as error:
        raise CannotChoose(f"--recording {path}: {error}") from error
    return convert.feed(wav.linear16) + convert.finish()

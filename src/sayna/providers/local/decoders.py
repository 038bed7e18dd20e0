"""pocketsphinx decoders: loaded for a way of listening, lent to one caller at a time.

Only worker processes import this module's engine: it holds the interpreter while it decodes.
"""

import os
import re
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from sayna.providers.local.ear import Decoder, Endpointer
from sayna.providers.local.options import Listening, Mode

MAX_IDLE = 2
"""Decoders kept for the next caller: loading one takes 0.2 s, keeping it some 30 to 70 MB."""

_SEARCH = "sayna"
_MISSING = re.compile(r"[Ww]ord '(.+?)' (?:in phrase .*)?is missing")
_COMPLAINT = re.compile(r'^(?:ERROR|FATAL): "[^"]*", line \d+: (.*)$', re.MULTILINE)


class LoadedDecoder(Decoder, Protocol):
    """`pocketsphinx.Decoder`, as far as it is set up here."""

    def add_jsgf_file(self, name: str, path: str) -> None:
        """Load a grammar."""
        ...

    def add_kws(self, name: str, path: str) -> None:
        """Load a list of phrases."""
        ...

    def activate_search(self, name: str) -> None:
        """Listen for what was loaded by that name."""
        ...

    def add_word(self, word: str, phones: str, update: bool) -> int:
        """Teach it a word."""
        ...

    def get_cmn(self, update: bool) -> str:
        """Tell what it assumes of the microphone and the voice."""
        ...

    def set_cmn(self, means: str) -> None:
        """Make it assume that."""
        ...


class _Engine(Protocol):
    """The package `pocketsphinx`."""

    def Decoder(self, **options: object) -> LoadedDecoder: ...  # noqa: N802 - as it is called
    def Endpointer(self) -> Endpointer: ...  # noqa: N802 - as it is called
    def set_loglevel(self, level: str) -> None: ...


_engine = cast("_Engine", import_module("pocketsphinx"))


def new_endpointer() -> Endpointer:
    """Return a detector of speech."""
    return _engine.Endpointer()


class Unfit(Exception):
    """A grammar or a list of phrases that cannot be used; the text says why and what helps."""


class Lent:
    """A decoder and what it needs to be handed on clean."""

    def __init__(self, listening: Listening) -> None:
        self.listening = listening
        self.changed_ns = _changed_ns(listening)
        self.decoder = _load(listening)
        self._first_cmn = self.decoder.get_cmn(False)
        self.clean()  # the figures as text are rounded: the first caller gets the same ones

    def clean(self) -> None:
        """Forget the last caller's voice."""
        self.decoder.set_cmn(self._first_cmn)

    @property
    def is_current(self) -> bool:
        """Whether its file is still the one it was loaded from."""
        return self.changed_ns == _changed_ns(self.listening)


class Decoders:
    """Lends decoders, keeps a few that came back."""

    def __init__(self) -> None:
        self._idle: list[Lent] = []

    def lend(self, listening: Listening) -> Lent:
        """Return a decoder that nobody else uses.

        Raises:
            Unfit: the file cannot be used.
        """
        for lent in self._idle:
            if lent.listening == listening and lent.is_current:
                self._idle.remove(lent)
                lent.clean()
                return lent
        return Lent(listening)

    def take_back(self, lent: Lent) -> None:
        """Keep it for the next caller; the one that waited longest goes."""
        self._idle.append(lent)
        del self._idle[:-MAX_IDLE]


def _changed_ns(listening: Listening) -> int:
    try:
        return listening.path.stat().st_mtime_ns if listening.path else 0
    except OSError:
        return -1


def _load(listening: Listening) -> LoadedDecoder:
    if listening.path is None:
        return _engine.Decoder(loglevel="FATAL")
    if not listening.path.is_file():  # the library would crash
        raise Unfit(f"the {listening.mode.value} file {listening.path.name} is gone")
    with _complaints() as complaints:
        decoder = _engine.Decoder(lm=None, loglevel="ERROR")
        try:
            _add_words(decoder, listening.path.with_suffix(".dict"))
            if listening.mode is Mode.GRAMMAR:
                decoder.add_jsgf_file(_SEARCH, str(listening.path))
            else:
                decoder.add_kws(_SEARCH, str(listening.path))
            decoder.activate_search(_SEARCH)
        except (RuntimeError, ValueError) as error:
            raise Unfit(_explain(listening, complaints.read_text())) from error
        if _MISSING.search(told := complaints.read_text()):  # of a keyphrase: left out silently
            raise Unfit(_explain(listening, told))
    _engine.set_loglevel("FATAL")
    return decoder


def _add_words(decoder: LoadedDecoder, path: Path) -> None:
    """Teach the decoder the words of `NAME.dict`: a word and its phones on each line."""
    if not path.is_file():
        return
    for line in path.read_text().splitlines():
        word, _, phones = line.strip().partition(" ")
        if word and phones:
            decoder.add_word(word, phones.strip(), True)


def _explain(listening: Listening, complaints: str) -> str:
    name = listening.path.name if listening.path else ""
    what = f"the {listening.mode.value} file {name}"
    if (found := _MISSING.search(complaints)) is not None:
        return (
            f"{what} has the word {found[1]!r}, which is not in the pronunciation dictionary: write"
            " it in lower case, use other words, or add it with its phones to"
            f" {Path(name).with_suffix('.dict')} beside the file"
        )
    lines = _COMPLAINT.findall(complaints)
    folder = f"{listening.path.parent}{os.sep}" if listening.path else ""
    why = lines[0].replace(folder, "") if lines else "pocketsphinx does not accept it"
    return f"{what} cannot be used: {why}"


@contextmanager
def _complaints() -> Generator[Path]:
    """Catch what the library writes to stderr meanwhile: it tells the reasons nowhere else."""
    with tempfile.TemporaryDirectory() as folder:
        caught = Path(folder, "complaints")
        kept, file = os.dup(2), os.open(caught, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(file, 2)
        os.close(file)
        try:
            yield caught
        finally:
            os.dup2(kept, 2)
            os.close(kept)

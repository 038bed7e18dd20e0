"""espeak-ng through its C interface. Only the worker process imports the library.

Source: the public header `speak_lib.h` of espeak-ng 1.52, described in its documentation.
"""

import ctypes
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from sayna.providers.local.voices import EspeakVoice

BUFFER_MS = 60
_OUTPUT_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_UTF8, _END_PAUSE = 0x1, 0x1000
_RATE_PARAMETER = 1

TakeAudio = Callable[[bytes], bool]
"""Takes s16le mono; False stops the synthesis."""


class _Loader(Protocol):
    """The package `espeakng_loader`."""

    def get_library_path(self) -> str: ...
    def get_data_path(self) -> str: ...


class _CVoice(ctypes.Structure):
    """`espeak_VOICE`."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),  # pairs of one byte of rank and a text, ended by a zero
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class EspeakFailed(Exception):
    """The library refused a call."""


class Espeak:
    """The engine; its state belongs to the whole process, so there is one."""

    def __init__(self) -> None:
        loader = cast("_Loader", import_module("espeakng_loader"))
        self._data = Path(loader.get_data_path())
        self._library = ctypes.CDLL(loader.get_library_path())
        self.sample_rate: int = self._library.espeak_Initialize(
            _OUTPUT_SYNCHRONOUS, BUFFER_MS, str(self._data).encode(), _DO_NOT_EXIT
        )
        if self.sample_rate <= 0:
            raise EspeakFailed("espeak-ng cannot be initialised")
        self._take: TakeAudio = lambda _: False
        self._callback = _Callback(self._receive)  # kept: the library holds only its address
        self._library.espeak_SetSynthCallback(self._callback)
        self._set: tuple[str, int] | None = None

    def voices(self) -> Iterator[EspeakVoice]:
        """Yield every voice, then every variant."""
        self._library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_CVoice))
        listed = self._library.espeak_ListVoices(None)
        at = 0
        while listed[at]:
            voice = listed[at].contents
            yield EspeakVoice(
                identifier=(voice.identifier or b"").decode(),
                name=(voice.name or b"").decode(),
                gender=voice.gender,
                languages=tuple(_read_languages(voice.languages)),
            )
            at += 1
        for file in sorted((self._data / "voices" / "!v").iterdir()):
            yield EspeakVoice(file.name, file.name, gender=0)

    def say(
        self, text: str, voice: str, words_per_minute: int, take: TakeAudio, *, pause: bool
    ) -> None:
        """Speak one piece of text; `take` gets the audio about every 60 ms of it.

        Args:
            text: plain; nothing in it is markup.
            voice: the engine's own name, such as `gmw/en-US+f3`.
            words_per_minute: 80 to 450.
            take: called in this thread before `say` returns.
            pause: end with the silence that belongs between two sentences.

        Raises:
            EspeakFailed: the voice cannot be loaded, or the engine is out of order.
        """
        if self._set != (voice, words_per_minute):
            if self._library.espeak_SetVoiceByName(voice.encode()):
                raise EspeakFailed(f"voice {voice} cannot be loaded")
            self._library.espeak_SetParameter(_RATE_PARAMETER, words_per_minute, 0)
            self._set = (voice, words_per_minute)
        self._take = take
        spoken = "".join(char if char.isprintable() else " " for char in text).encode()
        flags = _UTF8 | (_END_PAUSE if pause else 0)
        if self._library.espeak_Synth(spoken, len(spoken) + 1, 0, 1, 0, flags, None, None):
            raise EspeakFailed("the text cannot be spoken")

    def _receive(self, samples: int | None, count: int, _events: int | None) -> int:
        if not samples or count <= 0:
            return 0
        return 0 if self._take(ctypes.string_at(samples, 2 * count)) else 1


def _read_languages(address: int | None) -> Iterator[tuple[str, int]]:
    while address and (rank := ctypes.string_at(address, 1)[0]):
        code = ctypes.string_at(address + 1)
        yield code.decode(), rank
        address += len(code) + 2

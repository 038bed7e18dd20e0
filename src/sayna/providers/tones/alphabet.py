"""How a word is spelled: as pieces of bytes, each with its length and a checksum.

A byte is later sung as one chord (`chords`). A piece is

    length      1 byte: bit 7 says that the word goes on in the next piece
    text        1 to `MAX_TEXT_BYTES` bytes of UTF-8, whole characters only
    checksum    2 bytes: CRC-16 of length and text

and all of it is exclusive-ored with a fixed row of bytes, so that "aaaa" is no steady hum.
"""

import binascii
import random
from collections.abc import Iterator
from typing import NamedTuple

MAX_TEXT_BYTES = 64
CHECKSUM_BYTES = 2
MAX_PIECE_BYTES = 1 + MAX_TEXT_BYTES + CHECKSUM_BYTES

_GOES_ON = 0x80
_MASK = random.Random(20_260).randbytes(MAX_PIECE_BYTES)  # noqa: S311 - nothing secret in it


class Piece(NamedTuple):
    """A word, or part of a long one."""

    text: str
    goes_on: bool
    """The next piece belongs to the same word."""


def spell(word: str) -> list[bytes]:
    """Return the masked pieces of a word; what UTF-8 cannot say becomes `?`.

    Args:
        word: at least one character.
    """
    parts = list(_split(word))
    return [_render(part, goes_on=part is not parts[-1]) for part in parts]


def piece_bytes(first: int) -> int | None:
    """Return how long a piece is, by its first masked byte; None when no piece begins so."""
    text_bytes = (first ^ _MASK[0]) & ~_GOES_ON
    return 1 + text_bytes + CHECKSUM_BYTES if 0 < text_bytes <= MAX_TEXT_BYTES else None


def parse_piece(masked: bytes) -> Piece | None:
    """Read a whole masked piece; None when its checksum or its text is wrong."""
    plain = _mask(masked)
    body, checksum = plain[:-CHECKSUM_BYTES], plain[-CHECKSUM_BYTES:]
    if _checksum(body) != checksum:
        return None
    try:
        return Piece(body[1:].decode(), bool(body[0] & _GOES_ON))
    except UnicodeDecodeError:
        return None


def _split(word: str) -> Iterator[bytes]:
    """Cut a word into parts of `MAX_TEXT_BYTES` at most, never within a character."""
    part = b""
    for letter in word:
        code = letter.encode(errors="replace")
        if len(part) + len(code) > MAX_TEXT_BYTES:
            yield part
            part = b""
        part += code
    yield part


def _render(text: bytes, *, goes_on: bool) -> bytes:
    body = bytes((len(text) | (_GOES_ON if goes_on else 0),)) + text
    return _mask(body + _checksum(body))


def _mask(piece: bytes) -> bytes:
    return bytes(byte ^ hidden for byte, hidden in zip(piece, _MASK, strict=False))


def _checksum(body: bytes) -> bytes:
    return binascii.crc_hqx(body, 0xFFFF).to_bytes(CHECKSUM_BYTES, "big")

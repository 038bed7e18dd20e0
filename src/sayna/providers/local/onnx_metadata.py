"""What an ONNX file says about itself, read without any ONNX package and without its weights.

Source: onnx.proto: a ModelProto keeps its metadata in field 14, a key (1) and a value (2) each.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_METADATA_FIELD = 14
_MAX_ENTRY_BYTES = 1_000_000
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class NotOnnx(ValueError):
    """The bytes are not protobuf fields."""


def read_metadata(path: Path) -> dict[str, str]:
    """Return the file's metadata; everything else in it is skipped, not read.

    Raises:
        OSError: it cannot be read.
        NotOnnx: it is something else.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return dict(_entries(file, size))


def _entries(file: BinaryIO, size: int) -> Iterator[tuple[str, str]]:
    while file.tell() < size:
        field, kind = divmod(_varint(file), 8)
        if kind == _BYTES:
            length = _varint(file)
            if length > size - file.tell():
                raise NotOnnx("a field reaches past the end")
            if field == _METADATA_FIELD and length <= _MAX_ENTRY_BYTES:
                yield _pair(file, file.tell() + length)
            else:
                file.seek(length, os.SEEK_CUR)
        elif kind == _VARINT:
            _varint(file)
        elif kind in {_FIXED64, _FIXED32}:
            file.seek(8 if kind == _FIXED64 else 4, os.SEEK_CUR)
        else:
            raise NotOnnx("a field of an unknown kind")


def _pair(file: BinaryIO, end: int) -> tuple[str, str]:
    found = {1: "", 2: ""}
    while file.tell() < end:
        field, kind = divmod(_varint(file), 8)
        length = _varint(file)
        if kind != _BYTES or length > end - file.tell():
            raise NotOnnx("metadata that is not text")
        found[field] = file.read(length).decode("utf-8", "replace")
    return found[1], found[2]


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise NotOnnx("a number without an end")

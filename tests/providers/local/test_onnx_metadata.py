"""Metadata of ONNX files made by hand."""

from pathlib import Path

import pytest

from sayna.providers.local.onnx_metadata import NotOnnx, read_metadata


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, body: bytes) -> bytes:
    return varint(number * 8 + 2) + varint(len(body)) + body


def entry(key: str, value: str) -> bytes:
    return field(14, field(1, key.encode()) + field(2, value.encode()))


def test_metadata_is_found_around_the_graph(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    version = varint(1 * 8) + varint(300)
    graph = field(7, b"\xff" * 100_000)
    odd = varint(20 * 8 + 5) + b"1234" + varint(21 * 8 + 1) + b"12345678"
    path.write_bytes(version + entry("a", "1") + graph + odd + entry("model_type", "zipformer2"))
    assert read_metadata(path) == {"a": "1", "model_type": "zipformer2"}


def test_a_file_without_metadata_has_none(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(field(7, b"graph"))
    assert read_metadata(path) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"\x80",  # a number without an end
        b"\x80" * 20,
        varint(7 * 8 + 2) + varint(100) + b"short",
        varint(7 * 8 + 3),
        field(14, varint(1 * 8) + varint(5)),
        field(14, varint(1 * 8 + 2) + varint(50) + b"x"),
    ],
)
def test_what_is_not_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(NotOnnx):
        read_metadata(path)

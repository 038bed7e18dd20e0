"""Broken copies of messages."""

import json

import pytest

from tests.emulators.mangling import mangle

TEXT = (
    '{"type":"Results","is_final":true,"start":1.5,"words":[{"word":"a"}],"none":null,"name":"n"}'
)


@pytest.mark.parametrize("kind", ["truncated_json", "not_json"])
def test_what_is_no_json_is_no_json(kind: str) -> None:
    payload, is_text = mangle(kind, TEXT)
    assert is_text
    with pytest.raises(ValueError, match=r"line 1"):
        json.loads(payload)


def test_what_is_no_text_is_no_text() -> None:
    payload, is_text = mangle("non_utf8", TEXT)
    assert is_text
    with pytest.raises(UnicodeDecodeError):
        payload.decode()


def test_every_value_but_the_type_is_of_a_wrong_one() -> None:
    twisted = json.loads(mangle("wrong_type", TEXT)[0])
    right = json.loads(TEXT)
    assert twisted["type"] == "Results"
    assert all(type(twisted[name]) is not type(right[name]) for name in right if name != "type")


def test_an_empty_frame_is_binary() -> None:
    assert mangle("empty_binary", TEXT) == (b"", False)


def test_an_unknown_way_is_an_error() -> None:
    with pytest.raises(ValueError, match="dance"):
        mangle("dance", TEXT)

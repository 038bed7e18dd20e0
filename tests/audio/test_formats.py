import pytest

from sayna.audio.convert import Inbound, Outbound
from sayna.audio.formats import SPEECH_IN, SPEECH_OUT, is_raw, sample_bytes


@pytest.mark.parametrize(
    ("name", "width"),
    [("linear16", 2), ("pcm", 2), ("mulaw", 1), ("ulaw", 1), ("alaw", 1), ("mp3", None)],
)
def test_a_sample_has_the_width_of_its_format(name: str, width: int | None) -> None:
    assert sample_bytes(name) == width
    assert is_raw(name) is (width is not None)


def test_a_wav_file_is_not_bare_samples() -> None:
    assert not is_raw("wav")


def test_every_listed_format_can_really_be_converted() -> None:
    for name in SPEECH_IN:
        assert Inbound(name, 16_000, 1, 16_000).feed(b"") == b""
    for name in SPEECH_OUT:
        assert Outbound(16_000, name, 16_000).feed(bytes(2))

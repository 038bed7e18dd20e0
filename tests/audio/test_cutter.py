import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayna.audio.cutter import Cutter


@pytest.mark.parametrize(
    ("audio_format", "sizes"),
    [("linear16", (160, 320, 440, 480, 882, 960)), ("mulaw", (80, 160, 220, 240, 441, 480))],
)
def test_frames_have_the_documented_sizes(audio_format: str, sizes: tuple[int, ...]) -> None:
    rates = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)
    assert tuple(Cutter(audio_format, rate).frame_bytes for rate in rates) == sizes


@pytest.mark.parametrize("audio_format", ["mp3", "wav", "opus"])
def test_files_and_codecs_pass_as_they_come(audio_format: str) -> None:
    cutter = Cutter(audio_format, 24_000)
    assert cutter.feed(b"abc") == [b"abc"]
    assert cutter.feed(b"") == []
    assert cutter.finish() == b""


def test_an_impossible_rate_still_cuts_something() -> None:
    assert Cutter("linear16", 0).feed(b"abcd") == [b"ab", b"cd"]


@given(pieces=st.lists(st.binary(max_size=900), max_size=12))
def test_every_frame_but_the_last_is_whole_and_nothing_is_lost(pieces: list[bytes]) -> None:
    cutter = Cutter("pcm", 8_000)
    frames = [frame for piece in pieces for frame in cutter.feed(piece)]
    rest = cutter.finish()
    assert {len(frame) for frame in frames} <= {160}
    assert len(rest) < 160
    assert b"".join([*frames, rest]) == b"".join(pieces)
    assert cutter.finish() == b""

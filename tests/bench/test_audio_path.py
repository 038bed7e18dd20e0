"""Every hop of a frame can be entered, and what it costs adds up."""

from itertools import pairwise

import pytest

from bench import audio_path
from bench.exchange import FRAME


@pytest.mark.slow
async def test_a_frame_passes_every_hop_and_leaves_nothing_behind() -> None:
    hops = await audio_path.measure_hops(frames=1000)
    assert [hop["hop"] for hop in hops] == list(reversed(audio_path.HOPS))
    for above, below in pairwise(hops):
        assert above["own_bytes"] == above["total_bytes"] - below["total_bytes"]
    assert hops[0]["total_bytes"] > len(FRAME)  # the payload is copied once
    assert hops[0]["total_bytes"] < 2 * len(FRAME)  # and not twice
    assert hops[0]["kept_blocks_per_1000"] < 500  # of a thousand frames, not one block each


async def test_a_result_passes_every_step_of_the_way_back() -> None:
    steps = await audio_path.measure_back(count=50)
    assert [one["step"] for one in steps] == list(audio_path.BACK)
    assert all(one["total_us"] > 0 for one in steps)

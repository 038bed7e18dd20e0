"""The recorder and what can be asked of it."""

import asyncio

import pytest

from tests.emulators import recorder as recorders
from tests.emulators.recorder import Record, Recorder


def _filled(*, keep_audio: bool = True) -> Recorder:
    recorder = Recorder(keep_audio=keep_audio)
    request = Record("request", "client", 0.0, 0, path="/a", method="GET")
    request.headers = (("X-Name", "v"),)
    recorder.add(request)
    recorder.add(Record("binary", "client", 0.5, 0, 2, b"ab"))
    recorder.add(Record("binary", "client", 0.7, 0, 1, b"c"))
    recorder.add(Record("text", "client", 1.0, 0, 20, '{"type":"Finalize"}'))
    recorder.add(Record("text", "emulator", 1.5, 0, 2, "[]"))
    recorder.add(Record("request", "client", 2.0, 1, path="/b", method="GET"))
    recorder.add(Record("close", "client", 3.0, 1, status=1000))
    return recorder


def test_records_are_selected_by_what_they_are() -> None:
    recorder = _filled()
    assert recorder.all.types == [
        "request", "binary", "binary", "Finalize", "text", "request", "close",
    ]  # fmt: skip
    assert recorder.select(path="/a", sender="client").order == ["request", "binary", "Finalize"]
    assert recorder.select(type="Finalize").last.json == {"type": "Finalize"}
    assert recorder.select(connection=1).last.status == 1000
    assert len(recorder.requests()) == 2
    assert recorder.requests("/a")[0].header("x-name") == "v"


def test_gaps_sizes_and_audio_are_told() -> None:
    frames = _filled().select(kind="binary")
    assert frames.gaps_s == pytest.approx([0.2])
    assert frames.sizes == [2, 1]
    assert frames.audio == b"abc"
    assert frames[:1].audio == b"ab"


def test_audio_that_was_not_kept_cannot_be_had() -> None:
    frames = _filled(keep_audio=False).select(kind="binary")
    assert frames.sizes == [2, 1]
    with pytest.raises(ValueError, match="not kept"):
        _ = frames.audio


def test_the_oldest_goes_when_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorders, "MAX_RECORDS", 3)
    recorder = _filled()
    assert len(recorder.all) == 3
    assert recorder.dropped == 4
    recorder.clear()
    assert (len(recorder.all), recorder.dropped) == (0, 0)


async def test_a_test_can_wait_for_records() -> None:
    recorder = _filled()
    waiting = asyncio.ensure_future(recorder.wait_for(2, kind="close"))
    await asyncio.sleep(0)
    recorder.add(Record("close", "client", 4.0, 2, status=1001))
    assert (await waiting).last.status == 1001
    with pytest.raises(AssertionError, match="waited for 3"):
        await recorder.wait_for(3, limit_s=0, kind="close")


def test_the_log_shows_audio_by_its_size_only() -> None:
    shown = [record.as_dict for record in _filled().all]
    assert "text" not in shown[1]
    assert shown[1]["size"] == 2
    assert shown[3]["json"] == {"type": "Finalize"}
    assert shown[0]["headers"] == [("X-Name", "v")]

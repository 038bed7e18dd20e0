import asyncio

import pytest

from sayna.errors import ConnectionFailed, NetworkFailed, ProviderRefused
from sayna.providers.tones.faults import FaultLedger
from sayna.providers.tones.results import CROWDED, MAX_WAITING, FaultyResults, Results
from sayna.speech.events import Transcript

WORDS = ["one", "two", "three", "four"]
TOLD = [Transcript(" ".join(WORDS[:count])) for count in range(1, 5)]
FINAL = Transcript("one two three four", True, True, 1.0)


def open_faulty(model: str) -> tuple[Results, FaultyResults]:
    results = Results()
    return results, FaultyResults(FaultLedger().plan("stt", model), results)


async def read(results: Results) -> list[Transcript]:
    return [result async for result in results.read()]


def waiting(results: Results) -> list[Transcript]:
    """Take what is there to be read."""
    taken = list(results._waiting)
    results._waiting.clear()
    return taken


async def test_results_come_in_order_until_the_end() -> None:
    results = Results()
    for result in (*TOLD, FINAL):
        results.put(result)
    results.end()
    assert await read(results) == [*TOLD, FINAL]


async def test_a_reader_waits_for_what_comes() -> None:
    results = Results()
    reading = asyncio.create_task(read(results))
    await asyncio.sleep(0)
    results.put(FINAL)
    await asyncio.sleep(0)
    results.end()
    assert await reading == [FINAL]


async def test_the_reason_of_the_end_follows_the_results() -> None:
    results = Results()
    results.put(FINAL)
    results.end(NetworkFailed("gone"))
    reading = results.read()
    assert await anext(reading) == FINAL
    with pytest.raises(NetworkFailed, match="gone"):
        await anext(reading)


def test_an_interim_that_nobody_reads_makes_way() -> None:
    results = Results()
    for number in range(10 * CROWDED):
        results.put(Transcript(str(number)))
    assert len(waiting(results)) == CROWDED
    assert results.dropped == 0


def test_the_oldest_is_dropped_and_counted_when_nobody_reads_at_all() -> None:
    results = Results()
    for number in range(MAX_WAITING + 5):
        results.put(Transcript(str(number), is_final=True))
    assert results.dropped == 5
    assert waiting(results)[0].text == "5"


def test_without_faults_everything_passes() -> None:
    results, faulty = open_faulty("")
    faulty.listen(1_000)
    faulty.tell([*TOLD, FINAL])
    assert waiting(results) == [*TOLD, FINAL]
    faulty.finish()
    assert results.ended


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("drop@2w", ConnectionFailed),
        ("reset@2w", NetworkFailed),
        ("garbage@2w", ProviderRefused),
        ("status:500@2w", ProviderRefused),
    ],
)
async def test_a_failure_comes_behind_the_word_it_waits_for(
    model: str, kind: type[Exception]
) -> None:
    results, faulty = open_faulty(model)
    faulty.tell([*TOLD, FINAL])
    faulty.finish()
    reading = results.read()
    assert [await anext(reading), await anext(reading)] == TOLD[:2]
    with pytest.raises(kind):
        await anext(reading)


def test_words_of_closed_segments_count() -> None:
    results, faulty = open_faulty("drop@5w")
    faulty.tell([FINAL])
    assert not results.ended
    faulty.tell([Transcript("five")])
    assert results.ended


def test_a_failure_comes_when_its_audio_has_come_though_nobody_spoke() -> None:
    results, faulty = open_faulty("drop@60ms")
    for _ in range(2):
        faulty.listen(20)
        assert not results.ended
    faulty.listen(20)
    assert results.ended


def test_a_failure_at_the_start_comes_with_the_first_audio() -> None:
    results, faulty = open_faulty("reset")
    assert not results.ended
    faulty.listen(20)
    assert results.ended


def test_a_stall_holds_results_for_its_time_and_then_tells_all() -> None:
    results, faulty = open_faulty("stall:1s@1w")
    faulty.tell(TOLD[:3])
    assert waiting(results) == TOLD[:1]
    faulty.listen(980)
    assert waiting(results) == []
    faulty.listen(20)
    assert waiting(results) == TOLD[1:3]
    faulty.tell(TOLD[3:])
    assert waiting(results) == TOLD[3:]


def test_a_stall_for_good_ends_when_the_stream_does() -> None:
    results, faulty = open_faulty("stall")
    faulty.listen(20)
    faulty.tell(TOLD)
    faulty.listen(1_000_000)
    assert waiting(results) == []
    faulty.finish()
    assert waiting(results) == TOLD
    assert results.ended


def test_a_half_open_connection_answers_nothing_ever() -> None:
    results, faulty = open_faulty("half-open@2w")
    faulty.tell([*TOLD, FINAL])
    faulty.listen(1_000_000)
    faulty.finish()
    assert waiting(results) == TOLD[:2]
    assert not results.ended


def test_a_slow_first_byte_delays_the_first_result() -> None:
    results, faulty = open_faulty("slow-first-byte:800ms")
    faulty.listen(5_000)
    faulty.tell(TOLD[:1])
    faulty.listen(780)
    faulty.tell(TOLD[1:2])
    assert waiting(results) == []
    faulty.listen(20)
    assert waiting(results) == TOLD[:2]
    faulty.tell(TOLD[2:])
    assert waiting(results) == TOLD[2:]


def test_odd_chunks_tell_half_an_interim_first() -> None:
    results, faulty = open_faulty("odd-chunks@1w")
    faulty.tell([*TOLD[:2], FINAL])
    assert [result.text for result in waiting(results)] == [
        "one",
        "one ",
        "one two",
        "one two three four",
    ]


def test_faults_may_follow_each_other() -> None:
    results, faulty = open_faulty("stall:100ms@1w+drop@3w")
    faulty.tell(TOLD)
    assert not results.ended
    faulty.listen(100)
    assert waiting(results) == TOLD[:3]
    assert results.ended


@pytest.mark.parametrize("model", ["status:503", "hang-on-close"])
def test_what_belongs_to_opening_and_closing_does_not_happen_here(model: str) -> None:
    results, faulty = open_faulty(model)
    faulty.listen(1_000)
    faulty.tell(TOLD)
    assert waiting(results) == TOLD
    assert not results.ended


@pytest.mark.parametrize(
    ("model", "signs"),
    [
        ("", 100),
        ("slow-first-byte:800ms", 100),
        ("stall:1s@1w", 51),
        ("stall", 0),
        ("half-open", 0),
        ("half-open@1w", 0),
    ],
)
def test_a_vendor_shows_life_unless_it_stalls_or_is_gone(model: str, signs: int) -> None:
    _, faulty = open_faulty(model)
    faulty.tell(TOLD[:1])
    for _ in range(100):
        faulty.listen(20)
    assert faulty.signs_of_life == signs


@pytest.mark.parametrize("model", ["drop@open", "stall@open", "half-open@open"])
def test_what_belongs_to_opening_by_its_place_does_not_happen_here(model: str) -> None:
    results, faulty = open_faulty(model)
    faulty.listen(20)
    faulty.reach_end()
    faulty.tell([FINAL])
    faulty.finish()
    assert waiting(results) == [FINAL]
    assert results.ended


async def test_a_failure_at_the_end_comes_instead_of_the_last_results() -> None:
    results, faulty = open_faulty("drop@end")
    faulty.reach_end()
    faulty.tell(TOLD)
    faulty.finish()
    with pytest.raises(ConnectionFailed):
        await read(results)


@pytest.mark.parametrize("model", ["stall@end", "half-open@end"])
def test_a_silence_at_the_end_does_not_end(model: str) -> None:
    results, faulty = open_faulty(model)
    faulty.listen(20)
    faulty.reach_end()
    faulty.tell([FINAL])
    faulty.finish()
    assert waiting(results) == []
    assert not results.ended

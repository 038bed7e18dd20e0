"""Every fault of the emulator at every place, on streams, requests and sockets: the session lives,
an outage is one error at most, no word is lost or doubled but the rest of an utterance that broke.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from sayna.providers.deepgram import provider as deepgram
from sayna.providers.ws_loop import STALL_LIMIT_S
from sayna.session import making, opening, revival
from tests.emulators.rules import (
    Action,
    Chunk,
    DropAfter,
    Duplicate,
    ErrorMessage,
    ExpireToken,
    FirstByte,
    Hang,
    IdleClose,
    Malformed,
    MaxSession,
    Quota,
    ReadyDelay,
    Refuse,
    Reject,
    Reorder,
    Speed,
    StallHandshake,
)
from tests.providers.deepgram.outages import LISTEN, SPEAK, STEP_S, Stage, open_stage

pytestmark = pytest.mark.slow

DEAD_AIR_S = 1.5
SENTENCES = ("one two", "three four", "five six", "seven eight")
TEXTS = ("one two three", "four five six", "seven eight nine")
BREAKS: dict[str, Callable[..., Action]] = {
    "close 1011": lambda **at: DropAfter(mode="close", code=1011, reason="NET-0000", **at),
    "close 1000": lambda **at: DropAfter(mode="close", code=1000, **at),
    "reset": lambda **at: DropAfter(mode="reset", **at),
    "end": lambda **at: DropAfter(mode="eof", **at),
    "half-open": lambda **at: DropAfter(mode="half-open", **at),
    "hang": lambda **at: Hang(**at),
    "error": lambda **at: ErrorMessage(**at),
    "error that is not fatal": lambda **at: ErrorMessage(fatal=False, **at),
}
SILENT = {"half-open", "hang"}
PLACES = {"before the first word": 1_600, "in a word": 9_600, "later": 38_400, "at the end": 49_000}
HANDSHAKES: dict[str, Action] = {
    "429": Reject(status=429),
    "500": Reject(status=500),
    "503 with words": Reject(status=503, body={"err_msg": "busy"}, headers={"retry-after": "1"}),
    "refused": Refuse(),
    "too many streams": Quota(n=0, what="concurrency"),
    "late": StallHandshake(ms=600),
    "never answered": StallHandshake(),
}
KEYS: dict[str, Action] = {"401": Reject(status=401), "403": Reject(status=403)}
NUISANCES: dict[str, list[Action]] = {
    "late results": [FirstByte(ms=800)],
    "doubled finals": [Duplicate(n=3)],
    "finals out of order": [Reorder(n=1)],
    "a pause": [Hang(ms=900, bytes=9_600, of="received")],
    "a short patience": [IdleClose(s=3)],
    "an expired key": [ExpireToken(bytes=1_600, of="received")],
    **{
        f"{kind} ahead of message {count + 1}": [Malformed(kind=kind, messages=count)]
        for kind in ("truncated_json", "wrong_type", "non_utf8", "empty_binary", "not_json")
        for count in (0, 2)
    },
}


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less for what hangs: these limits are the loop's, not those of the clock we turn."""
    for module, limit in (
        (opening, "CLOSING_LIMIT_S"),
        (revival, "CLOSING_LIMIT_S"),
        (revival, "BURYING_LIMIT_S"),
        (making, "CLOSING_LIMIT_S"),
    ):
        monkeypatch.setattr(module, limit, 0.1)


@pytest.fixture
def short_dialling(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up a handshake that is never answered sooner, in the tests that have one."""
    if "never answered" in request.node.name:
        monkeypatch.setattr(opening, "RECOGNIZER_LIMIT_S", 0.3)
        monkeypatch.setattr(revival, "REOPENING_LIMIT_S", 0.3)


async def listen(stage: Stage) -> None:
    """Have all sentences heard, and see that the session can still speak."""
    await stage.configure()
    for sentence in SENTENCES:
        await stage.sing_to(sentence)
    await stage.listen_to_the_end()
    assert await stage.say("still here") == "still here"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", BREAKS)
async def test_no_broken_stream_costs_a_word(fault: str, place: str) -> None:
    at = PLACES[place]
    async with open_stage() as stage:
        stage.vendor.rules.add(BREAKS[fault](bytes=at, of="received"), path=LISTEN)
        await listen(stage)
        assert stage.finals == " ".join(SENTENCES)
        assert len(stage.outlet.problems) <= 1
        assert len(stage.streams) == 2
        seen_at = stage.received_at(0, at) + STALL_LIMIT_S * (fault in SILENT)
        assert stage.streams[1] - seen_at <= DEAD_AIR_S


@pytest.mark.parametrize("second", BREAKS)
@pytest.mark.parametrize("first", ["reset", "hang", "error"])
async def test_no_stream_that_breaks_again_costs_a_word(first: str, second: str) -> None:
    async with open_stage() as stage:
        stage.vendor.rules.add(BREAKS[first](bytes=9_600, of="received"), path=LISTEN)
        stage.vendor.rules.add(BREAKS[second](bytes=32_000, of="received"), path=LISTEN)
        await listen(stage)
        assert stage.finals == " ".join(SENTENCES)
        assert len(stage.streams) == 3
        assert len(stage.outlet.problems) <= 2


@pytest.mark.usefixtures("short_dialling")
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("fault", HANDSHAKES)
async def test_no_refusal_of_a_stream_that_is_to_go_on_costs_a_word(fault: str, count: int) -> None:
    async with open_stage() as stage:
        stage.vendor.rules.add(BREAKS["reset"](bytes=9_600, of="received"), path=LISTEN)
        stage.vendor.rules.add(HANDSHAKES[fault], path=LISTEN, times=count)
        stage.holds_still_while_dialling = fault == "never answered"
        await listen(stage)
        assert stage.finals == " ".join(SENTENCES)
        assert len(stage.outlet.problems) == 1
        pauses = [after - before for before, after in pairwise(stage.streams)]
        assert all(pause_s <= DEAD_AIR_S for pause_s in pauses)


@pytest.mark.parametrize("fault", KEYS)
async def test_a_stream_whose_key_is_refused_is_one_error_and_the_session_speaks_on(
    fault: str,
) -> None:
    async with open_stage() as stage:
        stage.vendor.rules.add(BREAKS["reset"](bytes=9_600, of="received"), path=LISTEN)
        stage.vendor.rules.add(KEYS[fault], path=LISTEN)
        await listen(stage)
        assert len(stage.outlet.problems) == 1
        assert len(stage.streams) == 2


@pytest.mark.usefixtures("short_dialling")
@pytest.mark.parametrize("fault", [*HANDSHAKES, *KEYS])
async def test_a_session_that_cannot_open_is_told_why_once_and_opens_with_the_next_config(
    fault: str,
) -> None:
    async with open_stage() as stage:
        stage.vendor.rules.add((HANDSHAKES | KEYS)[fault], path=LISTEN)
        stage.holds_still_while_dialling = fault == "never answered"
        await stage.configure()
        assert len(stage.outlet.problems) == (fault != "late")
        if fault != "late":
            await listen(stage)
            assert stage.finals == " ".join(SENTENCES)
            assert len(stage.outlet.problems) == 1


@pytest.mark.parametrize("nuisance", NUISANCES)
async def test_what_only_bothers_a_stream_costs_nothing(nuisance: str) -> None:
    async with open_stage() as stage:
        stage.vendor.rules.add(*NUISANCES[nuisance], path=LISTEN)
        await stage.configure()
        for sentence in SENTENCES:
            await stage.sing_to(sentence)
        for _ in range(round(4 / STEP_S)):
            await stage.step()  # nobody says anything, not even silence
        await stage.listen_to_the_end()
        assert stage.finals == " ".join(SENTENCES)
        assert stage.outlet.problems == []
        assert len(stage.streams) == 1


async def test_a_stream_that_the_vendor_ends_after_a_while_is_one_error_each_time() -> None:
    async with open_stage() as stage:
        stage.vendor.rules.add(MaxSession(s=1.3), path=LISTEN, times=2)
        await listen(stage)
        assert stage.finals == " ".join(SENTENCES)
        assert len(stage.streams) == 3
        assert len(stage.outlet.problems) <= 2


# Speaking

Say = Callable[[Stage], Awaitable[str]]


async def by_request(stage: Stage) -> str:
    """Say whole texts."""
    return await stage.say(*TEXTS)


async def by_socket(stage: Stage) -> str:
    """Say texts that are still being written."""
    return await stage.write(*TEXTS)


WAYS: dict[str, Say] = {"requests": by_request, "sockets": by_socket}


def counts_of(heard: str) -> list[int]:
    """Return how many words of each text were heard; nothing else may have been."""
    words, counts = heard.split(), list[int]()
    for text in TEXTS:
        expected = text.split()
        count = max(count for count in range(4) if words[:count] == expected[:count])
        counts.append(count)
        del words[:count]
    assert words == []
    return counts


WELL = [3, 3, 3]
IN_SPEECH = {"before the first sound": 0, "in a word": 6_000, "in a later word": 14_000}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", IN_SPEECH)
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("fault", BREAKS)
async def test_no_broken_answer_costs_more_than_the_rest_of_its_utterance(
    fault: str, number: int, place: str, way: str
) -> None:
    at = IN_SPEECH[place]
    async with open_stage() as stage:
        await stage.configure()
        nth = number if way == "requests" else 1
        if way == "sockets":  # all utterances share one
            at += (number - 1) * 22_000
        stage.vendor.rules.add(BREAKS[fault](bytes=at), path=SPEAK, nth=nth)
        counts = counts_of(await WAYS[way](stage))
        broken = [count for count in counts if count < 3]
        assert len(broken) <= 1
        assert len(broken) <= len(stage.outlet.problems) <= 1  # it may break behind its last word
        if at == 0:
            assert counts == WELL
        assert stage.outlet.completions >= 1
        patience_s = deepgram.STALL_LIMIT_S if fault in SILENT else 0.0
        assert stage.longest_silence_s <= DEAD_AIR_S + patience_s
        assert await stage.say("still here") == "still here"
        assert await stage.write("and here") == "and here"
        assert stage.vendor.rules.unused == []


@pytest.mark.parametrize(
    ("way", "number"),  # further texts by socket need no handshake
    [("requests", 1), ("requests", 2), ("requests", 3), ("sockets", 1)],
)
@pytest.mark.parametrize("fault", [*HANDSHAKES, *KEYS])
async def test_a_refused_utterance_is_tried_again_unless_it_is_for_the_key(
    fault: str, number: int, way: str
) -> None:
    async with open_stage() as stage:
        await stage.configure()
        stage.vendor.rules.add((HANDSHAKES | KEYS)[fault], path=SPEAK, nth=number)
        counts = counts_of(await WAYS[way](stage))
        expected = list(WELL)
        if fault in KEYS:
            expected[number - 1] = 0
        assert counts == expected
        assert len(stage.outlet.problems) == (fault in KEYS)
        patience_s = deepgram.STALL_LIMIT_S if fault == "never answered" else 0.0
        assert stage.longest_silence_s <= DEAD_AIR_S + patience_s
        assert await stage.say("still here") == "still here"


SPEECH_NUISANCES: dict[str, Action] = {
    "torn samples": Chunk(bytes=333, odd=True),
    "crumbs with gaps": Chunk(bytes=700, gap_ms=30, jitter_ms=29),
    "late first sounds": FirstByte(ms=900),
    "half speed": Speed(x=0.5),
    "all at once": Speed(),
    "a pause": Hang(ms=900, bytes=6_000),
    "a late greeting": ReadyDelay(ms=900),
    "late audio": Reorder(n=4),
    "a flush too many": Quota(n=1, window_s=1.0),
    **{
        f"{kind} ahead of message {count + 1}": Malformed(kind=kind, messages=count)
        for kind in ("truncated_json", "wrong_type", "non_utf8", "empty_binary", "not_json")
        for count in (0, 2)
    },
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("nuisance", SPEECH_NUISANCES)
async def test_what_only_bothers_a_voice_costs_nothing(nuisance: str, way: str) -> None:
    async with open_stage() as stage:
        await stage.configure()
        stage.vendor.rules.add(SPEECH_NUISANCES[nuisance], path=SPEAK, times=None)
        assert counts_of(await WAYS[way](stage)) == WELL
        assert stage.outlet.problems == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_key_that_expires_while_it_is_used_ends_nothing_that_goes_on(
    way: str,
) -> None:
    async with open_stage() as stage:
        await stage.configure()
        stage.vendor.rules.add(ExpireToken(bytes=1), path=SPEAK)
        counts = counts_of(await WAYS[way](stage))
        assert counts[0] == 3
        assert 0 < counts.count(0) == len(stage.outlet.problems)
        assert counts.count(0) + counts.count(3) == 3
        stage.vendor.expired_keys.clear()
        assert await stage.say("still here") == "still here"


@pytest.mark.parametrize("way", WAYS)
async def test_audio_of_a_cleared_utterance_that_comes_late_is_not_heard(way: str) -> None:
    async with open_stage() as stage:
        await stage.configure()
        stage.vendor.rules.add(Reorder(n=5), Speed(x=1.0), path=SPEAK, times=None)
        stage.session.speak(TEXTS[0], allow_interruption=True, flush=way == "requests")
        if way == "sockets":
            stage.session.speak(" x", allow_interruption=True)
        await stage.step_until(lambda: len(stage.outlet.frames) > 10)
        assert stage.session.clear_now()
        counted = len(stage.outlet.frames)
        assert counts_of(await WAYS[way](stage)) == WELL
        assert counted > 10
        assert stage.outlet.problems == []


async def test_no_task_is_left_when_the_vendor_hangs_in_every_position() -> None:
    before = asyncio.all_tasks()
    async with open_stage() as stage:
        stage.vendor.rules.add(Hang(), path=LISTEN, times=None)
        await stage.configure()
        stage.vendor.rules.add(Hang(bytes=2_000), path=SPEAK, times=None)
        stage.session.speak("one two", allow_interruption=True)
        stage.session.hear(bytes(1600))
        for _ in range(5):
            await stage.step()
    assert asyncio.all_tasks() == before

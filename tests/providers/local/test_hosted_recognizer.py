"""A recognizer whose engine works in a real process, with a stand-in for the engine's package."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest

from sayna.errors import ConnectionFailed, ProviderError, ProviderMisconfigured
from sayna.providers.local import hosted_recognizer
from sayna.providers.local.hosted_recognizer import HostedRecognizer, open_hosted_recognizer
from sayna.providers.local.model_hosts import Host, Launch, open_hosts
from sayna.providers.local.model_messages import Audio, FromWorker, Heard, Open, Result
from sayna.providers.local.pipes import Worker
from sayna.speech.events import RecognizerFault, SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions
from tests.providers.local.engine_fixtures import pcm, stand_ins
from tests.providers.local.models_folder import write_models

__all__ = ["stand_ins"]

OPTIONS = RecognizerOptions("local")
DIE, RAISE = 666, 667


@pytest.fixture
def launch(tmp_path: Path, stand_ins: dict[str, ModuleType]) -> Launch:
    folder = write_models(tmp_path) / "small"
    return Launch(
        "sayna.providers.local.recognizer_worker", "vosk", "vosk:small",
        (("folder", str(folder)),),
    )  # fmt: skip


@asynccontextmanager
async def listening(
    launch: Launch, options: RecognizerOptions = OPTIONS
) -> AsyncIterator[tuple[HostedRecognizer, Host]]:
    async with (
        open_hosts() as hosts,
        open_hosted_recognizer(hosts, launch, options) as recognizer,
        asyncio.timeout(20),
    ):
        yield recognizer, hosts.hosts[0]


async def rest(recognizer: HostedRecognizer) -> list[SpeechEvent]:
    return [event async for event in recognizer.events()]


async def finals(recognizer: HostedRecognizer) -> list[str]:
    events = await rest(recognizer)
    return [event.text for event in events if isinstance(event, Transcript) and event.is_final]


async def feed_until_it_breaks(recognizer: HostedRecognizer, audio: bytes) -> None:
    """Send the same audio again after each fault; raises what `events` raises."""
    recognizer.send_audio(audio)
    async for _ in recognizer.events():
        recognizer.send_audio(audio)


async def test_words_come_back_and_the_end_drains(launch: Launch) -> None:
    async with listening(launch) as (recognizer, _):
        for level in (5, 5, 0, 5):
            recognizer.send_audio(pcm(level))
        recognizer.finish()
        assert await finals(recognizer) == ["word1 word2", "word3"]


async def test_finalize_closes_the_segment_where_it_was_asked(launch: Launch) -> None:
    async with listening(launch) as (recognizer, _):
        recognizer.send_audio(pcm(5))
        recognizer.finalize()
        recognizer.send_audio(pcm(5))
        recognizer.finish()
        assert await finals(recognizer) == ["word1", "word2"]


async def test_audio_after_finish_is_ignored(launch: Launch) -> None:
    async with listening(launch) as (recognizer, _):
        recognizer.finish()
        recognizer.finish()
        recognizer.send_audio(pcm(5))
        assert await rest(recognizer) == []


async def test_audio_is_converted_from_what_the_client_sends(launch: Launch) -> None:
    options = RecognizerOptions("local", sample_rate=8_000, channels=2, encoding="mulaw")
    async with listening(launch, options) as (recognizer, _):
        recognizer.send_audio(b"\x00" * 8_000 * 2)
        recognizer.finish()
        assert await finals(recognizer)


async def test_impossible_audio_is_refused(launch: Launch) -> None:
    with pytest.raises(ProviderMisconfigured, match=r"stt_config\.encoding"):
        async with listening(launch, RecognizerOptions("local", encoding="opus")):
            pass


async def test_a_worker_that_dies_is_replaced_and_the_stream_goes_on(launch: Launch) -> None:
    async with listening(launch) as (recognizer, host):
        events = recognizer.events()
        recognizer.send_audio(pcm(5))
        assert await anext(events) == Transcript("word1")
        first = host.pid
        recognizer.send_audio(pcm(DIE))
        assert await anext(events) == RecognizerFault(
            "Connection failed: the vosk worker died and is being replaced"
        )
        recognizer.send_audio(pcm(5))
        assert await anext(events) == Transcript("word1")
        assert host.pid != first
        assert host.deaths == 1


async def test_a_worker_that_dies_of_every_sound_is_given_up(launch: Launch) -> None:
    async with listening(launch) as (recognizer, host):
        with pytest.raises(ConnectionFailed, match="keeps dying"):
            await feed_until_it_breaks(recognizer, pcm(DIE))
        assert host.is_over
        assert host.deaths == 3


async def test_an_engine_that_raises_costs_one_fault(launch: Launch) -> None:
    async with listening(launch) as (recognizer, host):
        recognizer.send_audio(pcm(RAISE))
        recognizer.send_audio(pcm(5))
        recognizer.finish()
        fault, *others = await rest(recognizer)
        assert isinstance(fault, RecognizerFault)
        assert "ValueError" in fault.text
        assert [event[0] for event in others][-1] == "word1"
        assert host.deaths == 0


class Silent:
    """A worker that takes everything and answers nothing."""

    def __init__(self) -> None:
        self.posted: list[object] = []

    def post(self, message: object) -> None:
        self.posted.append(message)

    @property
    def audio_ms(self) -> float:
        return sum(len(m.pcm) for m in self.posted if isinstance(m, Audio)) / 32


@pytest.fixture
def slow() -> tuple[HostedRecognizer, Silent]:
    recognizer, worker = HostedRecognizer(OPTIONS, "vosk"), Silent()
    attach(recognizer, worker)
    return recognizer, worker


def attach(recognizer: HostedRecognizer, worker: Silent) -> None:
    attached: Worker[FromWorker] = worker  # type: ignore[assignment]  # lanes only post
    recognizer.attach(1, attached)


def test_a_slow_engine_gets_no_more_than_it_works_off(
    slow: tuple[HostedRecognizer, Silent],
) -> None:
    recognizer, worker = slow
    for _ in range(20):
        recognizer.send_audio(pcm(5))
    assert worker.audio_ms == 300
    recognizer.receive(Heard(1, 3_200))
    assert worker.audio_ms == 400
    last = worker.posted[-1]
    assert isinstance(last, Audio)
    assert last.backlog_ms == 1_600


def test_what_a_slow_engine_cannot_take_is_dropped_and_counted(
    slow: tuple[HostedRecognizer, Silent],
) -> None:
    recognizer, _ = slow
    for _ in range(100):
        recognizer.send_audio(pcm(5))
    assert recognizer.dropped_ms == 10_000 - 300 - 5_000
    assert recognizer.is_waiting


def test_of_one_enormous_message_the_last_seconds_are_heard(
    slow: tuple[HostedRecognizer, Silent],
) -> None:
    recognizer, worker = slow
    recognizer.send_audio(bytes(60 * 32_000) + b"\1\0" * 5 * 16_000)
    assert worker.audio_ms == 300
    [first, *_] = [m.pcm for m in worker.posted if isinstance(m, Audio)]
    assert set(first) == {0, 1}
    assert recognizer.dropped_ms == 60_000


def test_a_new_worker_is_told_the_language_and_gets_the_backlog(
    slow: tuple[HostedRecognizer, Silent],
) -> None:
    recognizer, _ = slow
    for _ in range(10):
        recognizer.send_audio(pcm(5))
    recognizer.lose()
    successor = Silent()
    attach(recognizer, successor)
    assert successor.posted[0] == Open(1, "en-US")
    assert successor.audio_ms == 300


async def test_an_unread_interim_is_replaced_by_what_follows_it(
    slow: tuple[HostedRecognizer, Silent],
) -> None:
    recognizer, _ = slow
    recognizer.receive(Result(1, "a", False, False, 0))
    recognizer.receive(Result(1, "a b", False, False, 0))
    recognizer.receive(Result(1, "a b", True, True, 1))
    recognizer.receive(Result(1, "c", False, False, 0))
    events = recognizer.events()
    assert [(await anext(events))[:2] for _ in range(2)] == [("a b", True), ("c", False)]


def test_events_that_nobody_reads_hold_the_audio_back(
    slow: tuple[HostedRecognizer, Silent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted_recognizer, "MAX_EVENTS", 3)
    recognizer, worker = slow
    for number in range(3):
        recognizer.receive(Result(1, str(number), True, True, 1))
    recognizer.send_audio(pcm(5))
    assert worker.audio_ms == 0


async def test_an_error_comes_behind_the_events(slow: tuple[HostedRecognizer, Silent]) -> None:
    recognizer, _ = slow
    recognizer.receive(Result(1, "last", True, True, 1))
    recognizer.fail(ConnectionFailed("gone"))
    events = recognizer.events()
    assert (await anext(events))[0] == "last"
    with pytest.raises(ProviderError, match="gone"):
        await anext(events)


async def test_a_stream_that_was_over_when_its_worker_died_ends(
    slow: tuple[HostedRecognizer, Silent],
) -> None:
    recognizer, _ = slow
    recognizer.finish()
    recognizer.lose()
    assert [type(event) for event in await rest(recognizer)] == [RecognizerFault]

"""Which worker processes there are: shared, spread, bounded, watched and ended."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from msgspec.msgpack import Decoder

from sayna.errors import (
    ConnectionFailed,
    ProviderMisconfigured,
    ProviderNotReady,
    ProviderTimeout,
)
from sayna.providers.local import model_hosts
from sayna.providers.local.hosted_recognizer import HostedRecognizer, open_hosted_recognizer
from sayna.providers.local.model_hosts import Host, Launch, ModelHosts, open_hosts
from sayna.providers.local.model_messages import FromWorker
from sayna.providers.local.pipes import Worker, open_worker
from sayna.speech.events import RecognizerFault, Transcript
from sayna.speech.options import RecognizerOptions
from tests.providers.local.engine_fixtures import pcm, stand_ins
from tests.providers.local.models_folder import PACKAGES, write_models

__all__ = ["stand_ins"]

HANG = 668


@pytest.fixture
def launch(tmp_path: Path, stand_ins: dict[str, ModuleType]) -> Launch:
    folder = write_models(tmp_path) / "small"
    return Launch(
        "sayna.providers.local.recognizer_worker", "vosk", "vosk:small",
        (("folder", str(folder)),), processes=2, lanes_per_process=2,
    )  # fmt: skip


def other(launch: Launch, name: str) -> Launch:
    folder = Path(launch.files[0][1]).parent / name
    return replace(launch, model=f"vosk:{name}", files=(("folder", str(folder)),))


def alive(host: Host) -> bool:
    if host.pid is None:
        return False
    try:
        os.kill(host.pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_model_stays_loaded_for_the_next_session(launch: Launch) -> None:
    async with open_hosts(max_idle=1) as hosts:
        async with hosts.share(launch) as first:
            pid = first.pid
        async with hosts.share(launch) as second:
            assert second is first
            assert second.pid == pid


async def test_sessions_spread_over_processes_and_then_share_them(launch: Launch) -> None:
    async with (
        open_hosts() as hosts,
        hosts.share(launch) as one,
        hosts.share(launch) as two,
        hosts.share(launch) as three,
        hosts.share(launch) as four,
    ):
        assert len({one, two}) == 2
        assert {three, four} == {one, two}
        with pytest.raises(ProviderNotReady, match="all 4 places of vosk:small") as caught:
            async with hosts.share(launch):
                pass
        assert caught.value.retryable


async def test_a_place_is_free_again_when_its_user_leaves(launch: Launch) -> None:
    tight = replace(launch, processes=1, lanes_per_process=1)
    async with open_hosts() as hosts:
        for _ in range(3):
            async with hosts.share(tight):
                pass


async def test_idle_models_beyond_the_limit_are_ended_the_oldest_first(launch: Launch) -> None:
    launches = [replace(launch, model=f"vosk:{n}") for n in range(3)]
    async with open_hosts(max_idle=2) as hosts:
        used: list[Host] = []
        for each in launches:
            async with hosts.share(each) as host:
                used.append(host)
        assert hosts.hosts == tuple(used[1:])
        assert [alive(host) for host in used] == [False, True, True]
    assert not any(alive(host) for host in used)


async def test_a_model_that_cannot_be_loaded_is_one_clear_error(launch: Launch) -> None:
    async with open_hosts() as hosts:
        with pytest.raises(ProviderMisconfigured, match=r"vosk cannot load vosk:damaged.*damaged"):
            async with hosts.share(other(launch, "damaged")):
                pass
        assert hosts.hosts == ()


async def test_a_model_that_kills_its_worker_is_one_clear_error(launch: Launch) -> None:
    async with open_hosts() as hosts:
        with pytest.raises(ConnectionFailed, match=r"vosk:deadly.*while loading"):
            async with hosts.share(other(launch, "deadly")):
                pass


async def test_everyone_who_waits_for_a_model_hears_that_it_failed(launch: Launch) -> None:
    broken = replace(other(launch, "damaged"), processes=1)

    async def attempt(hosts: ModelHosts) -> None:
        async with hosts.share(broken):
            pass

    async with open_hosts() as hosts, asyncio.timeout(20):
        answers = await asyncio.gather(*(attempt(hosts) for _ in range(2)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ProviderMisconfigured] * 2


async def test_loading_takes_a_bounded_time(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_hosts, "LOAD_TIMEOUT_S", 0.05)
    async with open_hosts() as hosts:
        with pytest.raises(ProviderTimeout):
            async with hosts.share(replace(launch, module="pipe_worker")):
                pass


async def test_a_worker_that_speaks_another_language_is_refused(launch: Launch) -> None:
    async with open_hosts() as hosts:
        with pytest.raises(ConnectionFailed, match="while loading"):
            async with hosts.share(replace(launch, module="platform")):
                pass


async def test_a_worker_that_hangs_is_killed_and_replaced(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_hosts, "SILENCE_S", 0.1)
    async with (
        open_hosts() as hosts,
        open_hosted_recognizer(hosts, launch, RecognizerOptions("local")) as recognizer,
        asyncio.timeout(20),
    ):
        events = recognizer.events()
        recognizer.send_audio(pcm(5))
        assert await anext(events) == Transcript("word1")
        recognizer.send_audio(pcm(HANG))
        assert isinstance(await anext(events), RecognizerFault)
        recognizer.send_audio(pcm(5))
        assert await anext(events) == Transcript("word1")


async def test_a_worker_with_nothing_to_do_may_be_silent(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    silences, enough = 0, asyncio.Event()

    def nothing_to_do(recognizer: HostedRecognizer) -> bool:
        nonlocal silences
        silences += 1
        if silences == 50:
            enough.set()
        return False

    monkeypatch.setattr(HostedRecognizer, "is_waiting", property(nothing_to_do))
    monkeypatch.setattr(model_hosts, "SILENCE_S", 0.001)
    async with (
        open_hosts() as hosts,
        open_hosted_recognizer(hosts, launch, RecognizerOptions("local")) as recognizer,
        asyncio.timeout(20),
    ):
        await enough.wait()
        recognizer.send_audio(pcm(5))
        assert await anext(recognizer.events()) == Transcript("word1")
        assert hosts.hosts[0].deaths == 0


async def test_a_death_concerns_every_stream_of_the_process(launch: Launch) -> None:
    alone = replace(launch, processes=1)
    options = RecognizerOptions("local")
    async with (
        open_hosts() as hosts,
        open_hosted_recognizer(hosts, alone, options) as one,
        open_hosted_recognizer(hosts, alone, options) as two,
        asyncio.timeout(20),
    ):
        pid = hosts.hosts[0].pid
        assert pid is not None
        os.kill(pid, 9)
        for recognizer in (one, two):
            events = recognizer.events()
            assert isinstance(await anext(events), RecognizerFault)
            recognizer.send_audio(pcm(5))
            assert await anext(events) == Transcript("word1")


async def test_a_replacement_that_dies_while_it_loads_is_replaced_at_once(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    @asynccontextmanager
    async def open_and_kill_the_second(
        module: str, decoder: Decoder[FromWorker]
    ) -> AsyncGenerator[Worker[FromWorker], None]:
        async with open_worker(module, decoder) as worker:
            started.append(worker.pid)
            if len(started) == 2:
                worker.kill()
            yield worker

    monkeypatch.setattr(model_hosts, "open_worker", open_and_kill_the_second)
    monkeypatch.setattr(model_hosts, "REST_S", 1_000.0)
    options = RecognizerOptions("local")
    async with (
        open_hosts() as hosts,
        open_hosted_recognizer(hosts, replace(launch, processes=1), options) as recognizer,
        asyncio.timeout(20),
    ):
        os.kill(started[0], 9)
        events = recognizer.events()
        assert isinstance(await anext(events), RecognizerFault)
        assert isinstance(await anext(events), RecognizerFault)
        recognizer.send_audio(pcm(5))
        assert await anext(events) == Transcript("word1")
        assert len(started) == 3


async def test_no_process_outlives_the_block_even_when_it_is_cancelled(launch: Launch) -> None:
    seen: list[Host] = []
    shared = asyncio.Event()

    async def use() -> None:
        async with open_hosts() as hosts, hosts.share(launch) as host:
            seen.append(host)
            pids.append(host.pid or 0)
            shared.set()
            await asyncio.Event().wait()

    pids: list[int] = []
    task = asyncio.create_task(use())
    await shared.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    assert seen[0].pid is None


def test_the_stand_ins_are_where_workers_look() -> None:
    assert (PACKAGES / "pipe_worker.py").is_file()

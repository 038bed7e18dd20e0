"""Messages to a worker process and back, and what happens when either end misbehaves."""

import asyncio
import io
import os
from typing import Any

import msgspec
import pytest

from sayna.providers.local import pipes
from sayna.providers.local.pipes import (
    BadFrame,
    Worker,
    WorkerLost,
    WorkerPipe,
    open_worker,
    render_frame,
)
from tests.providers.local.models_folder import PACKAGES

ANYTHING: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder()


@pytest.fixture(autouse=True)
def _test_workers_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PACKAGES))


async def test_a_message_comes_back_as_it_went() -> None:
    async with open_worker("pipe_worker", ANYTHING, arguments=["echo"]) as worker:
        for message in ("hello", b"\x00" * 300_000, {"a": [1, 2.5, None]}):
            worker.post(message)
            assert await worker.receive() == message


async def test_what_libraries_print_does_not_garble_the_pipe() -> None:
    async with open_worker("pipe_worker", ANYTHING, arguments=["print"]) as worker:
        worker.post("hello")
        assert await worker.receive() == "hello"


async def test_a_dead_worker_is_noticed_and_ignores_what_is_posted() -> None:
    async with open_worker("pipe_worker", ANYTHING, arguments=["echo"]) as worker:
        worker.post("die")
        with pytest.raises(WorkerLost):
            await worker.receive()
        for _ in range(20):
            worker.post("anyone?")
    assert worker.exit_status == 3


async def test_a_worker_that_breaks_the_protocol_is_lost() -> None:
    async with open_worker("pipe_worker", ANYTHING, arguments=["garble"]) as worker:
        assert await worker.receive() == b""
        with pytest.raises(WorkerLost, match="too long"):
            await worker.receive()


async def test_the_process_ends_with_the_block() -> None:
    async with open_worker("pipe_worker", ANYTHING, arguments=["echo"]) as worker:
        worker.post("hello")
        await worker.receive()
    assert worker.exit_status == 0
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)


async def test_a_worker_that_will_not_end_is_killed() -> None:
    async with open_worker("pipe_worker", ANYTHING, arguments=["linger"], grace_s=0.05) as worker:
        worker.post("hello")
        await worker.receive()
    assert worker.exit_status == -9


async def test_a_worker_ends_when_its_opener_is_cancelled() -> None:
    started = asyncio.Event()
    pids: list[int] = []

    async def use() -> None:
        async with open_worker("pipe_worker", ANYTHING, arguments=["linger"]) as worker:
            pids.append(worker.pid)
            started.set()
            await worker.receive()

    task = asyncio.create_task(use())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


async def test_a_worker_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "secret")
    async with open_worker(
        "pipe_worker", ANYTHING, arguments=["environment"], environment={"EXTRA": "1"}
    ) as worker:
        environment = await worker.receive()
    assert "DEEPGRAM_API_KEY" not in environment
    assert environment["EXTRA"] == "1"
    assert environment["HF_HUB_OFFLINE"] == "1"


async def test_receiving_can_be_cancelled_between_any_two_bytes() -> None:
    async with open_worker("pipe_worker", ANYTHING, arguments=["echo"]) as worker:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await worker.receive()
        worker.post(b"x" * 1_000_000)
        waits = 0
        while True:
            try:
                async with asyncio.timeout(0.0005):
                    message = await worker.receive()
            except TimeoutError:
                waits += 1
                assert waits < 60_000
            else:
                break
        assert message == b"x" * 1_000_000


async def receive_often(worker: Worker[Any], times: int) -> None:
    for _ in range(times):
        await worker.receive()


async def test_a_worker_that_never_reads_is_killed_rather_than_buffered_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipes, "MAX_UNSENT_BYTES", 4_000_000)
    async with open_worker("pipe_worker", ANYTHING, arguments=["echo"]) as worker:
        worker.post(b"x" * 3_000_000)  # it echoes, nobody reads, so it stops reading
        for _ in range(40):
            worker.post(b"x" * 200_000)
        with pytest.raises(WorkerLost):
            await receive_often(worker, 41)


async def test_the_longest_texts_of_two_hundred_sessions_at_once_are_no_reason_to_kill() -> None:
    async with open_worker("pipe_worker", ANYTHING, arguments=["echo"]) as worker:
        for _ in range(200):
            worker.post(b"x" * 80_000)
        async with asyncio.timeout(20):
            await receive_often(worker, 200)


def test_the_workers_end_yields_messages_until_the_pipe_closes() -> None:
    source = io.BytesIO(render_frame("one") + render_frame([2]) + render_frame("cut")[:-1])
    sink = io.BytesIO()
    pipe = WorkerPipe(source, sink, ANYTHING)
    assert list(pipe.messages()) == ["one", [2]]
    pipe.send("answer")
    assert sink.getvalue() == render_frame("answer")


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1"])
def test_the_workers_end_refuses_garbage(garbage: bytes) -> None:
    pipe = WorkerPipe(io.BytesIO(garbage), io.BytesIO(), ANYTHING)
    with pytest.raises(BadFrame):
        list(pipe.messages())

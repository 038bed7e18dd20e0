import asyncio
import os
import subprocess
import sys
import threading

import pytest

from sayna.conformance.census import Census, settle, take_census

NOW_S = 0.02
SOON_S = 10.0
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="counted from /proc")


def test_growth_names_only_what_has_become_more() -> None:
    assert Census(3, 2, 5, 0).growth_since(Census(1, 2, 9, 0)) == {"tasks": 2}


async def test_a_task_that_goes_on_is_counted_and_one_that_ends_is_not() -> None:
    before = take_census()
    task = asyncio.create_task(asyncio.Event().wait())
    assert await settle(before, NOW_S) == {"tasks": 1}
    task.cancel()
    assert await settle(before, SOON_S) == {}


async def test_a_thread_is_counted_and_the_loops_own_pool_is_not() -> None:
    before = take_census()
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    await asyncio.to_thread(int)
    assert (await settle(before, NOW_S))["threads"] == 1
    end.set()
    thread.join(SOON_S)
    assert "threads" not in await settle(before, SOON_S)


@LINUX
async def test_an_open_file_is_counted() -> None:
    before = take_census()
    ends = os.pipe()
    assert await settle(before, NOW_S) == {"descriptors": 2}
    for end in ends:
        os.close(end)
    assert await settle(before, SOON_S) == {}


@LINUX
async def test_a_child_process_is_counted_until_it_has_been_waited_for() -> None:
    before = take_census()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)  # noqa: ASYNC220
    assert (await settle(before, NOW_S))["children"] == 1
    child.communicate(b"\n")
    assert await settle(before, SOON_S) == {}

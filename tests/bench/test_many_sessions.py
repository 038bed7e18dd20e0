"""The search for the most sessions, on servers that are arithmetic."""

import asyncio
from typing import cast

import pytest

from bench import many_sessions
from bench.many_sessions import FITS, LOAD_LATE, TOO_MANY, Capacity, Cost, Load, Step, search


class Server:
    """Carries so many sessions; the load can send no more than so many."""

    def __init__(self, carries: int, load_sends: int = 100_000) -> None:
        self.carries = carries
        self.load_sends = load_sends
        self.tried: list[int] = []
        self.hiccups = 0

    async def step(self, load: Load, sessions: int, seconds: float) -> Step:
        del load, seconds
        self.tried.append(sessions)
        verdict = FITS if sessions <= self.carries else TOO_MANY
        if sessions > self.load_sends:
            verdict = LOAD_LATE
        if self.hiccups:
            self.hiccups -= 1
            verdict = TOO_MANY
        return Step(
            sessions=sessions,
            result_p99_ms=1.0,
            cpu_percent_of_a_core=sessions / max(1, self.carries) * 100,
            load_late_p99_ms=0.0,
            core_taken_percent=0.0,
            lost=0,
            verdict=verdict,
        )


async def find(server: Server, monkeypatch: pytest.MonkeyPatch, cpu_us: float = 20.0) -> Capacity:
    monkeypatch.setattr(many_sessions, "step", server.step)
    cost = cast("Cost", {"cpu_us_per_frame": cpu_us})
    async with asyncio.timeout(5):
        return await search(cast("Load", None), cost, 1.0)


@pytest.mark.parametrize("carries", [40, 110, 470, 1000, 1900, 4000])
async def test_what_is_found_is_carried_and_a_little_more_is_not(
    monkeypatch: pytest.MonkeyPatch, carries: int
) -> None:
    server = Server(carries)
    found = await find(server, monkeypatch, cpu_us=1e6 / (50 * carries))
    assert carries / 1.15 < found["sessions_per_core"] <= carries
    assert found["limited_by"] == "server"
    assert [one["sessions"] for one in found["steps"]] == server.tried


async def test_a_server_that_costs_more_under_load_is_found_from_above(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = await find(Server(carries=100), monkeypatch, cpu_us=20.0)
    assert 85 < found["sessions_per_core"] <= 100


async def test_one_step_that_fails_by_accident_does_not_end_the_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server(carries=1000)
    server.hiccups = 1
    found = await find(server, monkeypatch)
    assert found["sessions_per_core"] > 900
    assert server.tried[0] == server.tried[1]


async def test_a_load_that_cannot_send_more_is_not_taken_for_the_servers_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = await find(Server(carries=5000, load_sends=800), monkeypatch)
    assert found["limited_by"] == "load"
    assert 0 < found["sessions_per_core"] <= 800


async def test_a_server_that_carries_nothing_ends_the_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server(carries=0)
    found = await find(server, monkeypatch)
    assert found["sessions_per_core"] == 0
    assert found["limited_by"] == "server"
    assert len(server.tried) <= many_sessions.MAX_STEPS * many_sessions.TRIES

"""A real server process that can be looked into: tasks, objects, files, children, memory."""

import asyncio
import json
import re
import signal
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from typing_extensions import override

import sayna
from tests.end_to_end.hostile import SECRET
from tests.fakes.session import until
from tests.running import RunningServer, running_server

INSPECTION = Path(__file__).parent / "inspection"
SETTLE_LIMIT_S = 30.0
COMPLAINTS = ("Traceback", "never retrieved", "never awaited", "ResourceWarning", "was destroyed")


@dataclass(frozen=True)
class Census:
    """What a server process holds at one moment."""

    tasks: Mapping[str, int]
    """By name, numbers cut off."""
    descriptors: int
    children: int
    objects: int
    """That Python's collector knows, after a collection."""
    rss_kib: int

    @property
    def holdings(self) -> tuple[Mapping[str, int], int, int]:
        """What has to be the same again when everybody is gone."""
        return self.tasks, self.descriptors, self.children

    @override
    def __str__(self) -> str:
        return (
            f"{sum(self.tasks.values())} tasks, {self.descriptors} descriptors, "
            f"{self.children} children, {self.objects} objects, {self.rss_kib} KiB"
        )


class InspectedServer:
    """A running server and the file that it writes its census to."""

    def __init__(self, server: RunningServer, folder: Path) -> None:
        self.port = server.port
        self.url = server.url
        self.ws_url = server.ws_url
        self.pid = server.process.pid
        self._process = server.process
        self._folder = folder

    @property
    def log(self) -> str:
        return (self._folder / "stderr.txt").read_text()

    async def count(self) -> Census:
        """Ask the process what it holds now."""
        told = self._folder / "census.json"
        told.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR1)
        await until(told.exists)
        inside = json.loads(told.read_text())
        process = Path(f"/proc/{self.pid}")
        children = (process / f"task/{self.pid}/children").read_text().split()
        rss = re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text())
        assert rss is not None
        return Census(
            tasks=inside["tasks"],
            descriptors=len(list((process / "fd").iterdir())),
            children=len(children),
            objects=inside["objects"],
            rss_kib=int(rss[1]),
        )

    async def get(self, path: str) -> int:
        """Ask over a connection of its own; return the status."""
        headers = {"Authorization": f"Bearer {SECRET}", "Connection": "close"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.get(self.url + path) as answer,
        ):
            await answer.read()
            return answer.status

    async def open_everything(self) -> Census:
        """Have every provider opened; return what is held while nobody is there."""
        assert await self.get("/voices") == 200
        agreed, last = 0, await self.count()
        async with asyncio.timeout(SETTLE_LIMIT_S):
            while agreed < 5:
                census = await self.count()
                agreed = agreed + 1 if census.holdings == last.holdings else 0
                last = census
        return last

    async def settle(self, before: Census) -> Census:
        """Wait until the process holds what it held before.

        Raises:
            AssertionError: it does not come to that.
        """
        now = asyncio.get_running_loop().time
        deadline = now() + SETTLE_LIMIT_S
        while (census := await self.count()).holdings != before.holdings:
            assert now() < deadline, f"left behind: {census.holdings}, before: {before.holdings}"
        return census

    def check_log(self) -> None:
        """Hold that nothing went wrong that nobody foresaw."""
        lines = self.log.splitlines()
        faults = [line for line in lines if any(complaint in line for complaint in COMPLAINTS)]
        assert not faults, "\n".join([*faults[:5], self.log[-5000:]])


@contextmanager
def inspected_server(
    folder: Path, settings: Mapping[str, str]
) -> Generator[InspectedServer, None, None]:
    """Run `sayna serve` with the provider `tones` and these environment variables."""
    source = Path(sayna.__file__).parents[1]
    environment = {
        "PYTHONPATH": f"{INSPECTION}:{source}",
        "PYTHONWARNINGS": "always::ResourceWarning",
        "CENSUS_FILE": str(folder / "census.json"),
        "TONES_PROVIDER": "true",
        **settings,
    }
    with running_server(folder, environment=environment) as server:
        inspected = InspectedServer(server, folder)
        yield inspected
    inspected.check_log()

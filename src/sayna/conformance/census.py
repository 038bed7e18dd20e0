"""What a process holds: tasks, threads, file descriptors, child processes. To find what is left."""

import asyncio
import os
import threading
from dataclasses import dataclass, fields
from pathlib import Path

SHARED_THREADS = "asyncio_"
"""How the threads of the event loop's own pool are called; they stay, whoever used them."""


@dataclass(frozen=True, slots=True)
class Census:
    """Counts at one moment; descriptors and children only where `/proc` tells them."""

    tasks: int
    threads: int
    descriptors: int
    children: int

    def growth_since(self, before: "Census") -> dict[str, int]:
        """Return what has become more, by name."""
        grown = {
            field.name: getattr(self, field.name) - getattr(before, field.name)
            for field in fields(self)
        }
        return {name: count for name, count in grown.items() if count > 0}


def take_census() -> Census:
    """Count, on the event loop."""
    threads = [each for each in threading.enumerate() if not each.name.startswith(SHARED_THREADS)]
    return Census(len(asyncio.all_tasks()), len(threads), _descriptors(), len(_children()))


async def settle(before: Census, patience_s: float) -> dict[str, int]:
    """Return what stays more than `before`; what is ending has a moment to end.

    Args:
        before: the count to come back to.
        patience_s: how long that may take.
    """
    growth = take_census().growth_since(before)
    try:
        async with asyncio.timeout(patience_s):
            while growth:
                await asyncio.sleep(0.01)
                growth = take_census().growth_since(before)
    except TimeoutError:
        pass
    return growth


def _descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def _children() -> list[str]:
    """Return the ids of our child processes, those included that nobody waited for."""
    own = str(os.getpid())
    return [stat.parent.name for stat in Path("/proc").glob("[0-9]*/stat") if _parent(stat) == own]


def _parent(stat: Path) -> str:
    try:
        _, _, rest = stat.read_text(errors="replace").rpartition(")")  # the name may have blanks
    except OSError:  # it has ended meanwhile
        return ""
    return rest.split()[1]

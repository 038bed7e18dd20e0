"""The faults found while settings are read, kept so that each is told once."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault that lies between settings: what a person reads, and which settings it is about."""

    paths: tuple[str, ...]
    text: str


class Problems:
    """Collects faults. A setting with a fault of its own silences rules that look at it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._spoiled: list[str] = []

    def refuse(self, path: str, line: str) -> None:
        """Note a fault of a setting or of a whole section, in one line for a person."""
        self.lines.append(line)
        self._spoiled.append(path)

    def add(self, found: Iterable[Problem]) -> None:
        """Note what rules found, except about settings that are known to be faulty."""
        self.lines += [p.text for p in found if not any(map(self.spoiled, p.paths))]

    def spoiled(self, path: str) -> bool:
        """Tell whether a setting, or the section that it stands in, has a fault already."""
        return any(path == bad or path.startswith(f"{bad}.") for bad in self._spoiled)

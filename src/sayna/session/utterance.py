"""One utterance of ours: its text, whole or still being written, and what became of it.

    open --end--> ended             whole texts begin here
     |              |
     `----lose------`---> lost      it failed or was cleared; what still comes of it is not said

The text is one string, however many pieces it came in, and forgotten as far as it was taken.
"""

import asyncio
from collections.abc import Callable

SLICE_CHARS = 512
"""Characters taken at once: what is made of them by pronunciations stays small."""


class Utterance:
    """One text that was asked to be said.

    Args:
        text: all of it, or how it begins.
        protected: it may not be interrupted.
        generation: how many clears came before it.
        is_open: more of the text may follow.
    """

    def __init__(
        self, text: str, *, protected: bool, generation: int, is_open: bool = False
    ) -> None:
        self.protected = protected
        self.generation = generation
        self.is_open = is_open
        self.is_streamed = is_open
        """The text came in pieces."""
        self.is_lost = False
        self._text = text  # from what may have to be said again on
        self._taken = 0  # characters of it
        self._keeps_taken = False
        self._changed = asyncio.Event()
        self._starves: Callable[[], None] = _ignore
        self._fed: Callable[[], None] = _ignore

    @property
    def waiting_chars(self) -> int:
        """Characters of the text that may still have to be said."""
        return len(self._text)

    def add(self, text: str) -> None:
        """Continue the text; only while it is open."""
        if not self.is_lost:
            self._text += text
            self._changed.set()

    def end(self) -> None:
        """Say that no more text follows; blanks at its end are dropped."""
        self.is_open = False
        self._text = self._text[: self._taken] + self._text[self._taken :].rstrip()
        self._changed.set()

    def lose(self) -> None:
        """Let nothing more be said of it."""
        self.is_lost = True
        self.protected = False
        self._text = ""
        self._taken = 0
        self._changed.set()

    def take_all(self) -> str:
        """Take a whole text."""
        text, self._text = self._text, ""
        return text

    def take(self) -> str:
        """Take the next of the text, `SLICE_CHARS` at most; empty when there is none now."""
        text = self._text[self._taken : self._taken + SLICE_CHARS]
        self._taken += len(text)
        if not self._keeps_taken:
            self.forget_taken()
        return text

    def rewind(self) -> None:
        """Take the text from its beginning, and keep what is taken until `forget_taken`."""
        self._keeps_taken = True
        self._taken = 0

    def forget_taken(self) -> None:
        """Keep nothing of what was taken: it will not be needed again."""
        self._keeps_taken = False
        self._text = self._text[self._taken :]
        self._taken = 0

    def watch(self, starves: Callable[[], None], fed: Callable[[], None]) -> None:
        """Call back when an engine has taken all of the text, and when it waits no more."""
        self._starves, self._fed = starves, fed

    async def wait_changed(self) -> None:
        """Wait until more of the text came, or the utterance was ended or lost."""
        self._changed.clear()
        await self._changed.wait()

    async def wait_fed(self) -> None:
        """Do the same for an engine, which nobody blames for being silent meanwhile."""
        self._starves()
        try:
            await self.wait_changed()
        finally:
            self._fed()

    async def wait_ended(self) -> None:
        """Wait until no more text may follow."""
        while self.is_open:
            await self.wait_changed()


def _ignore() -> None:
    """Nobody watches."""

"""The socket of `/v1/speak`: text is gathered, spoken, flushed, cleared."""

import asyncio
import itertools
import re
from collections import deque
from dataclasses import dataclass
from typing import Any

from sayna.session.clock import Clock
from tests.emulators.clock import sleep
from tests.emulators.connections import Stats
from tests.emulators.deepgram.catalogue import model_uuid
from tests.emulators.deepgram.speak_options import MAX_CHARACTERS, SpeakOptions
from tests.emulators.deepgram.speaker import Speaker
from tests.emulators.deepgram.wording import DATA_0000
from tests.emulators.emulated_socket import EmulatedSocket, Gone
from tests.emulators.json_objects import parse_object
from tests.emulators.rules import Quota

FLUSH_QUOTA = Quota(n=20, window_s=60.0, what="flush")
ENOUGH_CHARACTERS = 120
"""So much text is spoken up to its last sentence end before any Flush."""
LATE_CHUNKS = 2
"""Chunks of cancelled audio that still come between Clear and Cleared."""
MAX_WAITING = 1000
"""Messages that may wait for the voice; a client that sends more is cut off."""
_SENTENCES = re.compile(r".*[.!?](?=\s|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Task:
    """What the voice has to do next: speak a text, or say that all before it was spoken."""

    text: str = ""
    flushes: bool = False
    closes: bool = False


class SpeakSocket:
    """One socket."""

    def __init__(
        self,
        socket: EmulatedSocket,
        options: SpeakOptions,
        speaker: Speaker,
        request_id: str,
        clock: Clock,
        stats: Stats,
    ) -> None:
        self._socket = socket
        self._options = options
        self._speaker = speaker
        self._request_id = request_id
        self._clock = clock
        self._stats = stats
        self._quota = socket.connection.plan.quota("flush", FLUSH_QUOTA)
        self._flushes: deque[float] = deque(maxlen=max(1, self._quota.n))
        self._text = ""
        self._tasks: asyncio.Queue[_Task] = asyncio.Queue(MAX_WAITING)
        self._sequence = itertools.count()
        self._current: asyncio.Task[None] | None = None
        self._rest = b""  # of the utterance that is being said
        self._chunk_bytes = 0

    async def run(self) -> None:
        """Serve until the client or a rule ends it.

        Raises:
            Gone: it was ended in the midst of something.
        """
        try:
            await self._serve()
        except* Gone as gone:
            raise Gone from gone

    async def _serve(self) -> None:
        await self._socket.send_ready(self._greeting())
        async with asyncio.TaskGroup() as tasks:
            voice = tasks.create_task(self._work(tasks), name="voice")
            is_closing = False
            async for message in self._socket.messages():
                if not await self._take(message):
                    is_closing = True
                    break
            if is_closing and not self._socket.is_gone:
                await voice
            voice.cancel()
            self._stop()

    def _greeting(self) -> dict[str, Any]:
        return {
            "type": "Metadata",
            "request_id": self._request_id,
            "model_name": self._options.voice,
            "model_version": "2025-04-07.0",
            "model_uuid": model_uuid(self._options.voice),
            "additional_model_uuids": [],
        }

    async def _take(self, message: str | bytes) -> bool:
        """Obey a message; False when nothing more is to be read."""
        match _parse(message):
            case {"type": "Speak", "text": str(text), **rest} if not rest:
                return await self._gather(text)
            case {"type": "Flush", **rest} if not rest:
                return await self._flush()
            case {"type": "Clear", **rest} if not rest:
                await self._clear()
                return True
            case {"type": "Close", **rest} if not rest:
                await self._put(_Task(self._taken_text(), closes=True))
                return False
            case _:
                await self._socket.close(*DATA_0000)
                return False

    async def _gather(self, text: str) -> bool:
        if len(text) > MAX_CHARACTERS:
            await self._socket.close(*DATA_0000)
            return False
        self._text += text
        if len(self._text) >= ENOUGH_CHARACTERS and (found := _SENTENCES.match(self._text)):
            spoken, self._text = self._text[: found.end()], self._text[found.end() :]
            return await self._put(_Task(spoken))
        return True

    async def _flush(self) -> bool:
        return await self._put(_Task(self._taken_text(), flushes=True))

    def _taken_text(self) -> str:
        text, self._text = self._text, ""
        return text

    async def _put(self, task: _Task) -> bool:
        if self._tasks.full():
            await self._socket.close(1008, "too many messages")
            return False
        self._tasks.put_nowait(task)
        return True

    async def _clear(self) -> None:
        """Drop what waits and what is being said; a little of that still comes."""
        self._text = ""
        while not self._tasks.empty():
            self._tasks.get_nowait()
        self._stop()
        rest, size = self._rest, self._chunk_bytes
        self._rest = b""
        late = max(LATE_CHUNKS, self._socket.late_chunks)
        for start in range(0, min(len(rest), late * size), size or 1):
            await self._socket.send(rest[start : start + size])
        await self._answer("Cleared")

    def _stop(self) -> None:
        if self._current is not None:
            self._current.cancel()

    async def _answer(self, kind: str) -> None:
        await self._socket.send({"type": kind, "sequence_id": next(self._sequence)})

    async def _work(self, tasks: asyncio.TaskGroup) -> None:
        """Do one thing after the other; each can be stopped by itself."""
        while True:
            task = await self._tasks.get()
            self._current = tasks.create_task(self._do(task), name="utterance")
            await asyncio.wait([self._current])
            if task.closes:
                return

    async def _do(self, task: _Task) -> None:
        if task.flushes:
            await self._wait_for_quota()
        if task.text.strip():
            await self._speak(task.text)
        if task.flushes:
            await self._answer("Flushed")
        if task.closes:
            await self._socket.close(1000)

    async def _speak(self, text: str) -> None:
        self._stats.contexts += 1
        try:
            self._rest = await self._speaker.render(text, self._options)
            self._chunk_bytes = 0
            connection = self._socket.connection
            dice = self._socket.random
            async for chunk in self._speaker.paced(self._rest, self._options, connection, dice):
                self._rest = self._rest[len(chunk) :]
                self._chunk_bytes = len(chunk)
                await self._socket.send(chunk)
        finally:
            self._stats.contexts -= 1

    async def _wait_for_quota(self) -> None:
        """Count a Flush; one too many is told of, and waits for its turn."""
        now_s = self._clock.now()
        over = len(self._flushes) == self._flushes.maxlen or self._quota.n == 0
        if over and (wait_s := self._wait_s(now_s)) > 0:
            description = f"Flush limit reached: {self._quota.n} in {self._quota.window_s:g} s."
            warning = {"type": "Warning", "code": "EXCESSIVE_FLUSH", "description": description}
            await self._socket.send(warning)
            await sleep(self._clock, wait_s)
        self._flushes.append(self._clock.now())

    def _wait_s(self, now_s: float) -> float:
        oldest_s = self._flushes[0] if self._flushes else now_s
        return oldest_s + self._quota.window_s - now_s


def _parse(message: str | bytes) -> dict[str, Any] | None:
    return parse_object(message) if isinstance(message, str) else None

"""Worker processes and the pipe to them: length-prefixed msgpack messages over stdin and stdout.

Both ends are here. The server's end is `open_worker`: it starts `python -m MODULE`, notices the
worker's death and ends it within a bounded time. The worker's end is `take_pipe`: it keeps native
libraries that print from garbling the pipe. What the messages mean is their users' affair.

A frame is a big-endian uint32 length and one msgpack value. End of file is the order to stop, so a
worker never outlives a server that was killed.
"""

import asyncio
import os
import struct
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, BinaryIO, Generic, TypeVar

import msgspec

LENGTH = struct.Struct(">I")
MAX_FRAME_BYTES = 32 * 1024 * 1024
MAX_UNSENT_BYTES = 64 * 1024 * 1024
"""What may wait for a worker that does not read; beyond it the worker counts as stuck. A thousand
sessions that speak the longest text at once leave less."""
GRACE_S = 1.0
"""From closing a worker's stdin to killing it."""
KEPT_ENVIRONMENT = frozenset({
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "PYTHONPATH", "PYTHONHOME",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "COVERAGE_PROCESS_START",
    "COVERAGE_PROCESS_CONFIG", "COVERAGE_FILE",
})  # fmt: skip
"""Workers run other people's code: they get no key that the server was given."""
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
"""Model libraries that would fetch what is missing must not."""

Message = TypeVar("Message")


class WorkerLost(Exception):
    """The worker is gone, or what came from it is not a message. Nothing more will come."""


class BadFrame(Exception):
    """The other end does not speak this protocol."""


def render_frame(message: object) -> bytes:
    """Return the message as one frame."""
    body = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(body)) + body


class Worker(Generic[Message]):
    """The server's end of one worker process. Made by `open_worker` only."""

    def __init__(
        self, process: asyncio.subprocess.Process, decoder: msgspec.msgpack.Decoder[Message]
    ) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a worker needs both pipes")
        self._process = process
        self._to, self._from = process.stdin, process.stdout
        self._decoder = decoder
        self._length: int | None = None  # of the frame whose head was read already

    @property
    def pid(self) -> int:
        """The operating system's number for the process."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.returncode

    def post(self, message: object) -> None:
        """Queue one message without waiting; to a dead worker it is lost silently.

        Callers bound what they leave unanswered. Where one does not, a worker with more than
        `MAX_UNSENT_BYTES` unread is killed, and `receive` tells.
        """
        if self._to.is_closing():
            return
        self._to.write(render_frame(message))
        if self._to.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.kill()

    async def receive(self) -> Message:
        """Return the next message. Cancelling is safe: no part of a frame is lost.

        Raises:
            WorkerLost: the process ended or broke the protocol.
        """
        try:
            if self._length is None:
                head = await self._from.readexactly(LENGTH.size)
                self._length = int.from_bytes(head, "big")
            if self._length > MAX_FRAME_BYTES:
                raise WorkerLost("a frame of it is too long")
            body = await self._from.readexactly(self._length)
            self._length = None
            return self._decoder.decode(body)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise WorkerLost("it ended") from error
        except msgspec.MsgspecError as error:
            raise WorkerLost("a message of it cannot be read") from error

    def kill(self) -> None:
        """End the process now; `receive` notices."""
        if self._process.returncode is None:
            self._process.kill()

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """Close the pipe, wait a moment, then kill. The process is gone when this returns."""
        self._to.close()
        try:
            async with asyncio.timeout(grace_s):
                await self._drain()
        except TimeoutError:
            self.kill()
            await self._drain()
        finally:
            self.kill()

    async def _drain(self) -> None:
        while await self._from.read(65536):
            pass
        await self._process.wait()


@asynccontextmanager
async def open_worker(
    module: str,
    decoder: msgspec.msgpack.Decoder[Message],
    *,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    grace_s: float = GRACE_S,
) -> AsyncGenerator[Worker[Message], None]:
    """Start `python -m module arguments`; when the block ends, so has the process.

    Args:
        module: what to run; its `main` takes the pipe with `take_pipe`.
        decoder: of the messages that the worker sends.
        arguments: for the module's command line.
        environment: added to the few variables that workers inherit.
        grace_s: how long the worker may take to end by itself.

    Raises:
        OSError: the process cannot be started.
    """
    kept = {name: value for name, value in os.environ.items() if name in KEPT_ENVIRONMENT}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", module, *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # engines print what they hear: it must not be kept
        start_new_session=True,  # Ctrl-C at the terminal is the server's to handle
        env={**kept, **OFFLINE, **(environment or {})},
    )  # fmt: skip
    worker = Worker(process, decoder)
    try:
        yield worker
    finally:
        await _stop_surely(worker, grace_s)


async def _stop_surely(worker: Worker[Any], grace_s: float) -> None:
    """Stop the worker even when the caller is cancelled meanwhile; then it gets no grace."""
    stopping = asyncio.ensure_future(worker.stop(grace_s))
    try:
        await asyncio.shield(stopping)
    except asyncio.CancelledError:
        worker.kill()
        await stopping
        raise


class WorkerPipe(Generic[Message]):
    """The worker's end: blocking, for a process that does one thing at a time."""

    def __init__(
        self, source: BinaryIO, sink: BinaryIO, decoder: msgspec.msgpack.Decoder[Message]
    ) -> None:
        self._source, self._sink = source, sink
        self._decoder = decoder

    def messages(self) -> Iterator[Message]:
        """Yield what the server sends until it closes the pipe.

        Raises:
            BadFrame: not our protocol.
        """
        while len(head := self._source.read(LENGTH.size)) == LENGTH.size:
            (length,) = LENGTH.unpack(head)
            if length > MAX_FRAME_BYTES:
                raise BadFrame(f"{length} bytes in one frame")
            body = self._source.read(length)
            if len(body) < length:
                return
            try:
                yield self._decoder.decode(body)
            except msgspec.MsgspecError as error:
                raise BadFrame("not a message of ours") from error

    def send(self, message: object) -> None:
        """Write one message; waits while the server is behind.

        Raises:
            BrokenPipeError: the server is gone.
        """
        self._sink.write(render_frame(message))
        self._sink.flush()


def take_pipe(decoder: msgspec.msgpack.Decoder[Message]) -> WorkerPipe[Message]:
    """Take over this process's stdin and stdout; whatever else reads or prints gets nothing."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return WorkerPipe(os.fdopen(source, "rb"), os.fdopen(sink, "wb"), decoder)

"""A worker for the tests of the pipe; its first argument says how it behaves."""

import os
import sys
import threading

import msgspec

from sayna.providers.local.pipes import take_pipe


def main() -> None:
    pipe = take_pipe(msgspec.msgpack.Decoder[object](object))
    behaviour = sys.argv[1]
    if behaviour == "print":
        os.write(1, b"a native library says hello")
        print("and so does Python", flush=True)  # noqa: T201 - that is the point
    if behaviour == "environment":
        pipe.send(dict(os.environ))
    if behaviour == "garble":
        sys.stdout = os.fdopen(os.dup(2), "w")
        pipe.send(b"")
        pipe._sink.write(b"\xff\xff\xff\xff")
        pipe._sink.flush()
    for message in pipe.messages():
        if message == "die":
            os._exit(3)
        pipe.send(message)
    if behaviour == "linger":
        threading.Event().wait()


if __name__ == "__main__":
    main()

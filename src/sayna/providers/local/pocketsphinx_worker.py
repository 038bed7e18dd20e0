"""A process that listens with pocketsphinx to several callers of the server.

Runs as `python -m sayna.providers.local.pocketsphinx_worker`, started by `model_hosts`. Messages
are worked off one by one: the server sends each caller's next audio when the last was `Heard`.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from sayna.providers.local.decoders import Decoders, Lent, Unfit, new_endpointer
from sayna.providers.local.ear import Ear
from sayna.providers.local.model_messages import (
    Audio,
    Broken,
    Close,
    Finalize,
    Finish,
    Finished,
    Heard,
    Load,
    Loaded,
    Result,
)
from sayna.providers.local.options import Listening, Mode
from sayna.providers.local.pipes import WorkerPipe, take_pipe
from sayna.providers.local.pocketsphinx_messages import OpenEar, ToEars
from sayna.speech.events import Transcript

RATE_HZ = 16_000


class PocketsphinxWorker:
    """Answers the server's messages with as many decoders as there are callers."""

    def __init__(self, pipe: WorkerPipe[ToEars]) -> None:
        self._pipe = pipe
        self._decoders = Decoders()
        self._ears: dict[int, tuple[Ear, Lent]] = {}

    def run(self) -> None:
        """Work until the server closes the pipe."""
        for message in self._pipe.messages():
            if isinstance(message, Load):
                self._pipe.send(Loaded(RATE_HZ))
            else:
                self._attempt(message)

    def _attempt(self, message: OpenEar | Audio | Finalize | Finish | Close) -> None:
        try:
            self._answer(message)
        except OSError:
            raise  # the pipe: nobody is left to tell
        except Unfit as unfit:
            self._pipe.send(Broken(message.lane, str(unfit)))
        except Exception as error:  # noqa: BLE001 - one caller's trouble is not the others'
            self._begin_anew(message.lane, type(error).__name__)
        finally:
            if isinstance(message, Audio):
                self._pipe.send(Heard(message.lane, len(message.pcm)))
            elif isinstance(message, Finish):
                self._pipe.send(Finished(message.lane))

    def _answer(self, message: OpenEar | Audio | Finalize | Finish | Close) -> None:
        match message:
            case OpenEar(lane, mode, path):
                self._open(lane, Listening(Mode(mode), Path(path) if path else None))
                self._pipe.send(Heard(lane, 0))
            case Audio(lane, pcm):
                if (heard := self._ears.get(lane)) is not None:
                    self._tell(lane, heard[0].accept(pcm))
            case Finalize(lane) | Finish(lane):
                if (heard := self._ears.get(lane)) is not None:
                    self._tell(lane, heard[0].finalize())
            case Close(lane):
                if (closed := self._ears.pop(lane, None)) is not None:
                    ear, lent = closed
                    ear.abandon()
                    self._decoders.take_back(lent)

    def _open(self, lane: int, listening: Listening) -> None:
        lent = self._decoders.lend(listening)
        spots = listening.mode is Mode.KEYPHRASES
        ear = Ear(lent.decoder, new_endpointer, spots_phrases=spots)
        self._ears[lane] = (ear, lent)

    def _begin_anew(self, lane: int, why: str) -> None:
        """Replace a decoder that failed; it is not lent to anybody again."""
        self._pipe.send(Broken(lane, why))
        if (failed := self._ears.pop(lane, None)) is not None:
            self._open(lane, failed[1].listening)

    def _tell(self, lane: int, heard: Iterator[Transcript]) -> None:
        for text, is_final, is_speech_final, confidence in heard:
            self._pipe.send(Result(lane, text, is_final, is_speech_final, confidence))


def main() -> None:
    """Serve the pipe of this process."""
    decoder = msgspec.msgpack.Decoder[ToEars](ToEars)
    PocketsphinxWorker(take_pipe(decoder)).run()


if __name__ == "__main__":
    main()

"""The worker's answers, one after the other, with real decoders and no process around them."""

from collections.abc import Iterator

import pytest

from sayna.providers.local.model_messages import (
    Audio,
    Broken,
    Close,
    Finish,
    Finished,
    Heard,
    Load,
    Loaded,
)
from sayna.providers.local.options import BUNDLED_GRAMMARS
from sayna.providers.local.pocketsphinx_messages import OpenEar, ToEars

pytestmark = pytest.mark.slow
pytest.importorskip("pocketsphinx")

from sayna.providers.local.pocketsphinx_worker import PocketsphinxWorker  # noqa: E402 - as above

OPEN = OpenEar(1, "grammar", str(BUNDLED_GRAMMARS / "demo.gram"))


class Pipe:
    def __init__(self, *messages: ToEars) -> None:
        self._messages = messages
        self.answers: list[object] = []

    def messages(self) -> Iterator[ToEars]:
        yield from self._messages

    def send(self, message: object) -> None:
        self.answers.append(message)


def answers(*messages: ToEars) -> list[object]:
    pipe = Pipe(*messages)
    PocketsphinxWorker(pipe).run()  # type: ignore[arg-type]
    return pipe.answers


def test_a_caller_is_told_when_its_decoder_is_ready() -> None:
    assert answers(Load("pocketsphinx", {}, 1), OPEN) == [Loaded(16_000), Heard(1, 0)]


def test_audio_is_acknowledged_and_the_end_told() -> None:
    assert answers(OPEN, Audio(1, bytes(640), 0.0), Finish(1), Close(1)) == [
        Heard(1, 0), Heard(1, 640), Finished(1),
    ]  # fmt: skip


def test_a_grammar_that_is_gone_is_one_answer_and_harms_no_other() -> None:
    refused, *others = answers(OpenEar(2, "grammar", "nothere.gram"), OPEN, Finish(1))
    assert isinstance(refused, Broken)
    assert "nothere.gram" in refused.why
    assert others == [Heard(1, 0), Finished(1)]


def test_whoever_is_not_there_is_answered_all_the_same() -> None:
    assert answers(Audio(9, bytes(640), 0.0), Finish(9), Close(9)) == [Heard(9, 640), Finished(9)]

"""The sherpa-onnx adapter against a stand-in for its package."""

from pathlib import Path
from types import ModuleType

import pytest

from sayna.providers.local.sherpa import ctc_constructor, load
from sayna.speech.events import Transcript
from tests.providers.local.engine_fixtures import pcm, stand_ins
from tests.providers.local.test_onnx_metadata import entry

__all__ = ["stand_ins"]

TRANSDUCER = {"tokens": "t", "encoder": "e", "decoder": "d", "joiner": "j"}


def test_words_become_interims_and_an_endpoint_a_final(stand_ins: dict[str, ModuleType]) -> None:
    stream = load(TRANSDUCER, 2).open_stream("en-US")
    assert list(stream.accept(pcm(5), 0)) == [Transcript("transducer")]
    assert list(stream.accept(pcm(5, 50), 0)) == []
    assert list(stream.accept(pcm(5, 50), 0)) == [Transcript("transducer transducer")]
    assert list(stream.accept(pcm(0, 900), 0)) == []
    assert list(stream.accept(pcm(0), 0)) == [Transcript("transducer transducer", True, True, 1.0)]
    assert list(stream.accept(pcm(5), 0)) == [Transcript("transducer")]


def test_finalize_pushes_the_last_word_out(stand_ins: dict[str, ModuleType]) -> None:
    stream = load(TRANSDUCER, 2).open_stream("en-US")
    assert list(stream.accept(pcm(5, 99), 0)) == []
    assert list(stream.finalize()) == [Transcript("transducer", True, True, 1.0)]
    assert list(stream.finalize()) == []


def test_an_endpoint_without_words_says_nothing(stand_ins: dict[str, ModuleType]) -> None:
    stream = load(TRANSDUCER, 2).open_stream("en-US")
    assert list(stream.accept(pcm(0, 3_000), 0)) == []


def test_the_files_tell_the_family(stand_ins: dict[str, ModuleType], tmp_path: Path) -> None:
    assert load(TRANSDUCER, 2)._engine.family == "transducer"
    assert load(TRANSDUCER, 2)._engine.options["num_threads"] == 2
    without_joiner = {name: path for name, path in TRANSDUCER.items() if name != "joiner"}
    assert load(without_joiner, 1)._engine.family == "paraformer"
    model = tmp_path / "model.onnx"
    model.write_bytes(entry("cache_last_channel_dim1", "1"))
    assert load({"tokens": "t", "model": str(model)}, 1)._engine.family == "nemo"


@pytest.mark.parametrize(
    ("key", "constructor"),
    [
        ("frame_length_ms", "from_t_one_ctc"),
        ("cache_last_channel_dim1", "from_nemo_ctc"),
        ("cnn_module_kernel", "from_wenet_ctc"),
        ("encoder_dims", "from_zipformer2_ctc"),
    ],
)
def test_metadata_tells_the_kind_of_ctc(key: str, constructor: str, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(entry(key, "1"))
    assert ctc_constructor(model) == constructor

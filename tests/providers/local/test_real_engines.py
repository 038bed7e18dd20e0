"""The adapters against the real packages, with models made by hand: tiny, but of the real shape.

Each test is skipped where its extra is not installed. ONNX models are built with the package
`onnx`: a piper and a kokoro voice that hum, a recognizer that says `yes` to everything loud.
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sayna.errors import ProviderError, ProviderMisconfigured
from sayna.providers.local.models import find_recognizer_engine, find_synthesizer_engine
from sayna.speech.events import Transcript
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from tests.providers.local.models_folder import write_files
from tests.providers.local.test_models import settings_with
from tests.providers.local.test_segment import silence, speech

pytestmark = pytest.mark.slow


def need(extra: str, *modules: str) -> list[ModuleType]:
    """Import what a test needs or skip it with a line that says how to get it."""
    return [
        pytest.importorskip(
            module, reason=f"pip install 'sayna[{extra}]' onnx", exc_type=ImportError
        )
        for module in modules
    ]


async def listen(prefix: str, name: str, folder: Path, audio: bytes) -> list[tuple[str, bool]]:
    """Return text and finality of everything an engine hears in 16 kHz audio."""
    engine = find_recognizer_engine(prefix)
    assert engine is not None
    options = RecognizerOptions("local")
    async with (
        asyncio.timeout(120),
        engine.open_recognizer(options, name, settings_with(folder)) as recognizer,
    ):
        for at in range(0, len(audio), 3_200):
            recognizer.send_audio(audio[at : at + 3_200])
            await asyncio.sleep(0)
        recognizer.finish()
        heard = [event async for event in recognizer.events()]
    return [(event.text, event.is_final) for event in heard if isinstance(event, Transcript)]


async def speak(
    prefix: str, name: str, folder: Path, text: str, rate: float = 1.0
) -> NDArray[np.int16]:
    """Return what an engine says as 16-bit samples at 24 kHz."""
    engine = find_synthesizer_engine(prefix)
    assert engine is not None
    options = SynthesizerOptions("local", sample_rate=24_000, speaking_rate=rate)
    async with (
        asyncio.timeout(120),
        engine.open_synthesizer(options, name, settings_with(folder)) as voice,
    ):
        return np.frombuffer(b"".join([chunk async for chunk in voice.speak(text)]), "<i2")


def save_onnx(
    onnx: ModuleType,
    path: Path,
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    constants: Sequence[Any] = (),
    metadata: dict[str, str] | None = None,
) -> None:
    graph = onnx.helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8
    )
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


def write_piper_voice(onnx: ModuleType, folder: Path) -> None:
    """Write a voice that hums 100 samples for each phoneme, times the length scale."""
    helper, numpy_helper, kind = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    constants = [
        numpy_helper.from_array(np.array([1], np.int64), "one"),
        numpy_helper.from_array(np.array([100.0], np.float32), "hundred"),
        numpy_helper.from_array(np.array([1, 1], np.int64), "ones"),
    ]
    nodes = [
        helper.make_node("Gather", ["scales", "one"], ["length_scale"]),
        helper.make_node("Cast", ["input_lengths"], ["phonemes"], to=kind.FLOAT),
        helper.make_node("Mul", ["phonemes", "hundred"], ["samples"]),
        helper.make_node("Mul", ["samples", "length_scale"], ["scaled"]),
        helper.make_node("Cast", ["scaled"], ["size"], to=kind.INT64),
        helper.make_node("Concat", ["ones", "size"], ["shape"], axis=0),
        helper.make_node("ConstantOfShape", ["shape"], ["output"],
                         value=helper.make_tensor("v", kind.FLOAT, [1], [0.5])),
    ]  # fmt: skip
    inputs = [
        helper.make_tensor_value_info("input", kind.INT64, [1, None]),
        helper.make_tensor_value_info("input_lengths", kind.INT64, [1]),
        helper.make_tensor_value_info("scales", kind.FLOAT, [3]),
    ]
    output = helper.make_tensor_value_info("output", kind.FLOAT, [1, 1, None])
    save_onnx(onnx, folder / "hum.onnx", nodes, inputs, [output], constants)
    letters = "_^$ abcdefghijklmnopqrstuvwxyz.!?,"
    config = {
        "audio": {"sample_rate": 16_000},
        "espeak": {"voice": "en-us"},
        "phoneme_type": "text",
        "num_symbols": len(letters),
        "num_speakers": 1,
        "inference": {"noise_scale": 0.6, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_id_map": {letter: [at] for at, letter in enumerate(letters)},
    }
    write_files(folder, {"hum.onnx.json": json.dumps(config)})


async def test_piper_speaks_with_a_voice_made_by_hand(tmp_path: Path) -> None:
    onnx, _ = need("piper", "onnx", "piper")
    write_piper_voice(onnx, tmp_path)
    once = await speak("piper", "hum", tmp_path, "hello there")
    assert len(once) > 1_000
    assert (np.abs(once[100:-100]) > 30_000).all()  # piper turns everything up to full scale
    twice = await speak("piper", "hum", tmp_path, "hello there. hello there.")
    assert len(twice) == pytest.approx(2 * len(once), rel=0.2)
    fast = await speak("piper", "hum", tmp_path, "hello there", rate=2.0)
    assert len(fast) == pytest.approx(len(once) / 2, rel=0.05)


async def test_piper_refuses_a_damaged_voice(tmp_path: Path) -> None:
    need("piper", "piper")
    write_files(tmp_path, {"bad.onnx": "nonsense", "bad.onnx.json": "{}"})
    with pytest.raises(ProviderMisconfigured, match="piper cannot load piper:bad"):
        await speak("piper", "bad", tmp_path, "hello")


def write_kokoro_model(onnx: ModuleType, folder: Path) -> None:
    """Write a model that hums 600 samples for each phoneme, divided by the speed."""
    helper, numpy_helper, kind = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    constants = [
        numpy_helper.from_array(np.array([1], np.int64), "one"),
        numpy_helper.from_array(np.array([600.0], np.float32), "many"),
        numpy_helper.from_array(np.array([0.0], np.float32), "nothing"),
    ]
    nodes = [
        helper.make_node("Shape", ["tokens"], ["shape_of_tokens"]),
        helper.make_node("Gather", ["shape_of_tokens", "one"], ["count"]),
        helper.make_node("Cast", ["count"], ["phonemes"], to=kind.FLOAT),
        helper.make_node("Mul", ["phonemes", "many"], ["samples"]),
        helper.make_node("Div", ["samples", "speed"], ["scaled"]),
        helper.make_node("Cast", ["scaled"], ["size"], to=kind.INT64),
        helper.make_node("ConstantOfShape", ["size"], ["hum"],
                         value=helper.make_tensor("v", kind.FLOAT, [1], [0.5])),
        helper.make_node("ReduceSum", ["style"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "nothing"], ["zero"]),
        helper.make_node("Add", ["hum", "zero"], ["audio"]),
    ]  # fmt: skip
    inputs = [
        helper.make_tensor_value_info("tokens", kind.INT64, [1, None]),
        helper.make_tensor_value_info("style", kind.FLOAT, [1, 256]),
        helper.make_tensor_value_info("speed", kind.FLOAT, [1]),
    ]
    output = helper.make_tensor_value_info("audio", kind.FLOAT, [None])
    save_onnx(onnx, folder / "kokoro-tiny.onnx", nodes, inputs, [output], constants)
    style = np.zeros((510, 1, 256), np.float32)
    with (folder / "voices-tiny.bin").open("wb") as file:
        np.savez(file, af_hum=style, bm_hum=style)


async def test_kokoro_speaks_with_a_model_made_by_hand(tmp_path: Path) -> None:
    onnx, _ = need("kokoro", "onnx", "kokoro_onnx")
    write_kokoro_model(onnx, tmp_path)
    once = await speak("kokoro", "af_hum", tmp_path, "Hello there.")
    assert len(once) > 24_000 // 4 + 600
    assert np.abs(once).max() == pytest.approx(16_383, abs=600)
    fast = await speak("kokoro", "bm_hum", tmp_path, "Hello there.", rate=2.0)
    assert len(fast) < len(once)
    with pytest.raises(ProviderMisconfigured, match="it has af_hum, bm_hum"):
        await speak("kokoro", "af_none", tmp_path, "Hello.")


def write_ctc_model(onnx: ModuleType, folder: Path) -> None:
    """Write a streaming CTC model: frames louder than silence are `yes`, others are blank."""
    helper, numpy_helper, kind = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    frames = 8
    constants = [
        numpy_helper.from_array(np.array([-13.0], np.float32), "threshold"),
        numpy_helper.from_array(np.array([[[50.0, -50.0]]], np.float32), "for_yes"),
        numpy_helper.from_array(np.array([[[-50.0, 50.0]]], np.float32), "for_blank"),
    ]
    nodes = [
        helper.make_node("Transpose", ["audio_signal"], ["frames"], perm=[0, 2, 1]),
        helper.make_node("ReduceMean", ["frames"], ["level"], axes=[2], keepdims=1),
        helper.make_node("Greater", ["level", "threshold"], ["loud"]),
        helper.make_node("Where", ["loud", "for_yes", "for_blank"], ["logits"]),
        helper.make_node("LogSoftmax", ["logits"], ["logprobs"], axis=2),
        helper.make_node("Identity", ["length"], ["length_out"]),
        helper.make_node("Identity", ["cache_channel"], ["cache_channel_out"]),
        helper.make_node("Identity", ["cache_time"], ["cache_time_out"]),
        helper.make_node("Identity", ["cache_length"], ["cache_length_out"]),
    ]
    tensor = helper.make_tensor_value_info
    caches = [
        ("cache_channel", kind.FLOAT, [1, 1, 1, 1]),
        ("cache_time", kind.FLOAT, [1, 1, 1, 1]),
        ("cache_length", kind.INT64, [1]),
    ]
    inputs = [
        tensor("audio_signal", kind.FLOAT, [1, 80, None]),
        tensor("length", kind.INT64, [1]),
        *(tensor(name, type_, shape) for name, type_, shape in caches),
    ]
    outputs = [
        tensor("logprobs", kind.FLOAT, [1, None, 2]),
        tensor("length_out", kind.INT64, [1]),
        *(tensor(f"{name}_out", type_, shape) for name, type_, shape in caches),
    ]
    sizes = {f"cache_last_{part}_dim{n}": "1" for part in ("channel", "time") for n in (1, 2, 3)}
    metadata = {
        "window_size": str(frames),
        "chunk_shift": str(frames),
        "subsampling_factor": "1",
        "vocab_size": "1",
        "normalize_type": "",
        **sizes,
    }
    save_onnx(onnx, folder / "ctc/model.onnx", nodes, inputs, outputs, constants, metadata)
    write_files(folder / "ctc", {"tokens.txt": "\u2581yes 0\n<blk> 1\n"})


async def test_sherpa_listens_with_a_model_made_by_hand(tmp_path: Path) -> None:
    onnx, _ = need("sherpa", "onnx", "sherpa_onnx")
    write_ctc_model(onnx, tmp_path)
    word = speech(300)
    audio = silence(500) + word + silence(2_000) + word + silence(200) + word
    heard = await listen("sherpa", "ctc", tmp_path, audio)
    assert [text for text, final in heard if final] == ["yes", "yes yes"]


async def test_sherpa_refuses_a_damaged_model(tmp_path: Path) -> None:
    need("sherpa", "sherpa_onnx")
    write_files(tmp_path / "bad", {"tokens.txt": "a 0", "model.onnx": "nonsense"})
    with pytest.raises(ProviderError, match="sherpa:bad"):
        await listen("sherpa", "bad", tmp_path, b"")


async def test_vosk_refuses_a_damaged_model(tmp_path: Path) -> None:
    need("vosk", "vosk")
    bad = {"am/final.mdl": "nonsense", "conf/mfcc.conf": "", "conf/model.conf": "", "graph/x": ""}
    write_files(tmp_path / "bad", bad)
    with pytest.raises(ProviderError, match="vosk:bad"):
        await listen("vosk", "bad", tmp_path, b"")


def test_vosk_has_what_its_adapter_calls() -> None:
    (vosk,) = need("vosk", "vosk")
    assert callable(vosk.SetLogLevel)
    for method in ("SetWords", "AcceptWaveform", "PartialResult", "Result", "FinalResult"):
        assert callable(getattr(vosk.KaldiRecognizer, method))
    assert "model_path" in vosk.Model.__init__.__code__.co_varnames


async def test_whisper_refuses_a_damaged_model(tmp_path: Path) -> None:
    need("whisper", "faster_whisper")
    files = ("model.bin", "config.json", "tokenizer.json", "vocabulary.json")
    write_files(tmp_path / "bad", dict.fromkeys(files, "nonsense"))
    with pytest.raises(ProviderMisconfigured, match="whisper cannot load whisper:bad"):
        await listen("whisper", "bad", tmp_path, b"")


def silence_linear(linear: Any, rows: int, columns: int) -> None:  # noqa: ANN401 - no types
    linear.weight = np.zeros((rows, columns), np.float32)
    linear.bias = np.zeros(rows, np.float32)


def write_whisper_model(folder: Path) -> None:
    """Write a model without a mind: it answers any sound with `hello`, then ends."""
    ctranslate2, tokenizers = need("whisper", "ctranslate2", "tokenizers")
    width, mels = 16, 80
    special = ("endoftext", "startoftranscript", "translate", "transcribe", "startoflm",
               "startofprev", "nospeech", "notimestamps")  # fmt: skip
    tokens = ["<unk>", "hello", *(f"<|{name}|>" for name in special)]
    tokens += [f"<|{at * 0.02:.2f}|>" for at in range(1501)]
    spec = ctranslate2.specs.WhisperSpec(1, 1, 1, 1)
    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight = np.zeros((width, mels, 3), np.float32)
    encoder.conv1.bias = np.zeros(width, np.float32)
    encoder.conv2.weight = np.zeros((width, width, 3), np.float32)
    encoder.conv2.bias = np.zeros(width, np.float32)
    encoder.position_encodings.encodings = np.zeros((1500, width), np.float32)
    decoder.embeddings.weight = np.zeros((len(tokens), width), np.float32)
    # a position lights up one of the directions; the answer depends on nothing else
    lit = np.minimum(np.arange(448), width - 1)
    decoder.position_encodings.encodings = np.eye(width, dtype=np.float32)[lit]
    answers = np.zeros((len(tokens), width), np.float32)
    answers[tokens.index("hello"), 1] = 5.0  # behind <|startoftranscript|><|notimestamps|>
    answers[tokens.index("<|endoftext|>")] = 5.0 * (np.arange(width) != 1)
    decoder.projection.weight = answers
    layers = [*encoder.layer, *decoder.layer]
    attentions = [layer.self_attention for layer in layers] + [decoder.layer[0].attention]
    for attention, factors in zip(attentions, [(3, 1), (3, 1), (1, 2, 1)], strict=True):
        for linear, factor in zip(attention.linear, factors, strict=True):
            silence_linear(linear, factor * width, width)
    for layer in layers:
        silence_linear(layer.ffn.linear_0, width, width)
        silence_linear(layer.ffn.linear_1, width, width)
    norms = [part.layer_norm for part in (encoder, decoder, *attentions)]
    for norm in (*norms, *(layer.ffn.layer_norm for layer in layers)):
        norm.gamma, norm.beta = np.ones(width, np.float32), np.zeros(width, np.float32)
    spec.register_vocabulary(tokens)
    spec.validate()
    folder.mkdir()
    spec.save(str(folder))
    vocabulary = {token: at for at, token in enumerate(tokens)}
    model = tokenizers.models.WordLevel(vocabulary, unk_token="<unk>")  # noqa: S106 - a token
    tokenizers.Tokenizer(model).save(str(folder / "tokenizer.json"))


async def test_whisper_listens_with_a_model_made_by_hand(tmp_path: Path) -> None:
    need("whisper", "faster_whisper")
    write_whisper_model(tmp_path / "tiny")
    audio = silence(300) + speech(1_500) + silence(1_000) + speech(500)
    heard = await listen("whisper", "tiny", tmp_path, audio)
    assert [text for text, final in heard if final] == ["hello", "hello"]

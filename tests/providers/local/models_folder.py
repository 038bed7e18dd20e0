"""A folder of user-supplied models that the stand-ins for the engines' packages can load."""

import json
from pathlib import Path

PACKAGES = Path(__file__).parent / "engine_packages"


def write_files(folder: Path, files: dict[str, str]) -> Path:
    """Write small files, return the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return folder


def piper_config(sample_rate: int = 22_050, length_scale: float = 1.0) -> str:
    """Return the description of a Piper voice."""
    return json.dumps(
        {
            "audio": {"sample_rate": sample_rate},
            "inference": {"length_scale": length_scale},
            "espeak": {"voice": "en-us"},
            "language": {"code": "en_US"},
        }
    )


def write_models(folder: Path) -> Path:
    """Write one model for each engine."""
    vosk = {"am/final.mdl": "fine", "conf/model.conf": "", "graph/words.txt": ""}
    for name in ("small", "damaged", "deadly"):
        said = "fine" if name == "small" else name
        write_files(folder / name, vosk | {"am/final.mdl": said})
    onnx = {"tokens.txt": "", "encoder-1.onnx": "", "decoder-1.onnx": "", "joiner-1.onnx": ""}
    write_files(folder / "transducer", onnx)
    whisper = ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
    write_files(folder / "tiny", dict.fromkeys(whisper, ""))
    write_files(folder, {"amy.onnx": "", "amy.onnx.json": piper_config()})
    write_files(folder / "kokoro", {"kokoro-v1.onnx": "", "voices-v1.bin": ""})
    return folder

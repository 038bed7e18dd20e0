"""Which files in the folder of user-supplied models make up a model, and what is missing.

Nothing here loads a model and nothing is ever downloaded. Where a kind of file is there twice,
the 8-bit one is taken (it is what CPUs are good at), then the first by name.
"""

from collections.abc import Sequence
from pathlib import Path

from sayna.errors import ProviderMisconfigured

SETTING = "providers.local.models_path"
MAX_NAME_CHARS = 128

Found = tuple[tuple[str, str], ...]
"""What each file is to the engine, and its path."""


def models_folder(models_path: Path | None) -> Path:
    """Return the folder of user-supplied models.

    Raises:
        ProviderMisconfigured: none is configured, or it is not there.
    """
    if models_path is None:
        raise ProviderMisconfigured(
            f"this needs a model of yours: set {SETTING} to the folder that holds it"
        )
    if not models_path.is_dir():
        raise ProviderMisconfigured(
            f"{SETTING} names no folder: {shorten(models_path)} does not exist"
        )
    return models_path


def shorten(path: Path) -> str:
    """Return the last two parts of a path: enough for the operator, no map for a client."""
    return "/".join(path.parts[-2:])


def check_name(name: str, what: str) -> str:
    """Return the name when it is one file's or folder's name.

    Raises:
        ProviderMisconfigured: it is empty, hidden or reaches elsewhere.
    """
    hidden = not name or name.startswith(".") or not name.isprintable()
    if hidden or len(name) > MAX_NAME_CHARS or any(char in "/\\:" for char in name):
        raise ProviderMisconfigured(
            f"{name[:40]!r} is not a name of {what}: one folder or file in {SETTING}"
        )
    return name


def find_vosk(models_path: Path | None, name: str) -> Found:
    """Return a Vosk model's folder."""
    folder = _model_folder(models_path, name, "am/final.mdl, conf/, graph/ (and ivector/)")
    lacking = [part for part in ("am/final.mdl", "conf", "graph") if not (folder / part).exists()]
    _refuse_lack(folder, lacking)
    return (("folder", str(folder)),)


def find_whisper(models_path: Path | None, name: str) -> Found:
    """Return the folder of a Whisper model that was converted for CTranslate2."""
    folder = _model_folder(
        models_path, name, "model.bin, config.json, tokenizer.json, vocabulary.json or .txt"
    )
    lacking = [
        part
        for part in ("model.bin", "config.json", "tokenizer.json")
        if not (folder / part).is_file()
    ]
    if not _all_like(folder, "vocabulary.*"):
        lacking.append("vocabulary.json or .txt")
    _refuse_lack(folder, lacking)
    return (("folder", str(folder)),)


def find_sherpa(models_path: Path | None, name: str) -> Found:
    """Return the files of a streaming transducer, paraformer or CTC model."""
    folder = _model_folder(
        models_path,
        name,
        "tokens.txt and encoder*.onnx, decoder*.onnx, joiner*.onnx (or one *.onnx: CTC)",
    )
    lacking = [] if (folder / "tokens.txt").is_file() else ["tokens.txt"]
    parts = {part: _pick(folder, f"*{part}*.onnx") for part in ("encoder", "decoder", "joiner")}
    if parts["encoder"] or parts["decoder"]:
        lacking += [f"{part}*.onnx" for part in ("encoder", "decoder") if parts[part] is None]
        found = [(part, str(path)) for part, path in parts.items() if path is not None]
    else:
        model = _pick(folder, "*.onnx")
        lacking += [] if model else ["*.onnx"]
        found = [("model", str(model))]
    _refuse_lack(folder, lacking)
    return (("tokens", str(folder / "tokens.txt")), *found)


def find_piper(models_path: Path | None, name: str) -> Found:
    """Return a Piper voice: `NAME.onnx` with `NAME.onnx.json`, in the folder or one named so."""
    root = models_folder(models_path)
    stem = check_name(name, "a voice").removesuffix(".onnx")
    for folder in (root, root / stem):
        model, config = folder / f"{stem}.onnx", folder / f"{stem}.onnx.json"
        if model.is_file():
            _refuse_lack(folder, [] if config.is_file() else [config.name])
            return (("model", str(model)), ("config", str(config)))
    raise ProviderMisconfigured(
        f"no voice {stem!r} in {SETTING} ({shorten(root)}): expected {stem}.onnx and"
        f" {stem}.onnx.json"
    )


def find_kokoro(models_path: Path | None, name: str) -> Found:
    """Return the Kokoro model and its styles, in the folder or its sub-folder `kokoro`."""
    check_name(name, "a voice")
    root = models_folder(models_path)
    for folder in (root / "kokoro", root):
        model, voices = _pick(folder, "kokoro*.onnx"), _pick(folder, "voices*.bin")
        if model and voices:
            return (("model", str(model)), ("voices", str(voices)))
    raise ProviderMisconfigured(
        f"no Kokoro model in {SETTING} ({shorten(root)}): expected kokoro*.onnx and voices*.bin,"
        " there or in its sub-folder kokoro"
    )


def _model_folder(models_path: Path | None, name: str, files: str) -> Path:
    root = models_folder(models_path)
    folder = root / check_name(name, "a model")
    if not folder.is_dir():
        raise ProviderMisconfigured(
            f"no folder {name!r} in {SETTING} ({shorten(root)}): expected one with {files}"
        )
    return folder


def _refuse_lack(folder: Path, lacking: Sequence[str]) -> None:
    if lacking:
        raise ProviderMisconfigured(f"{shorten(folder)} in {SETTING} lacks {', '.join(lacking)}")


def _all_like(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def _pick(folder: Path, pattern: str) -> Path | None:
    found = _all_like(folder, pattern)
    return min(found, key=lambda path: ("int8" not in path.name, path.name), default=None)

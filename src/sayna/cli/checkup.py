"""What `sayna doctor` looks at: one small function for each part.

A check takes the subject and returns findings. A new part is a new function and a line in
`CHECKS`; the doctor runs them in that order and prints what they return.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, cast

from sayna.cli.configuration import models_folder
from sayna.cli.gateway import Gateway, GatewayError, ListenRequest, Message, SpeechRequest
from sayna.cli.overview import (
    ENGINES,
    auth_mode,
    clouds_with_credentials,
    installed_engines,
    installed_providers,
)
from sayna.cli.sound import Sound
from sayna.inference.downloads import missing
from sayna.settings.tree import Settings

State = Literal["ok", "FAIL", "off"]
SENTENCE = "what is the weather like today"
"""A sentence of the grammar `demo`, which comes with Sayna."""
GRAMMAR = "grammar:demo"
LOCAL_CURE = "install the local engines: pip install 'sayna[local]' (make setup does)"
MODEL_FILES = {
    "vosk": ("*/am/final.mdl",),
    "sherpa": ("*/tokens.txt",),
    "whisper": ("*/model.bin",),
    "piper": ("*.onnx.json", "*/*.onnx.json"),
    "kokoro": ("kokoro*.onnx", "kokoro/kokoro*.onnx"),
}
"""Engines for models of one's own, and a file that gives each kind of model away."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of one part; a broken one says how to mend it."""

    part: str
    state: State
    says: str
    cure: str = ""

    def render(self) -> str:
        """Return the line (two when broken) that the doctor prints."""
        line = f"{self.state:<5} {self.part:<12} {self.says}"
        return f"{line}\n      {'':<12} cure: {self.cure}" if self.cure else line


@dataclass(frozen=True, slots=True)
class Subject:
    """The server under examination, from inside (settings) and outside (gateway)."""

    settings: Settings
    gateway: Gateway


Check = Callable[[Subject], Awaitable[Sequence[Finding]]]


async def examine(subject: Subject, checks: Sequence[Check]) -> list[Finding]:
    """Run the checks in order; one that cannot reach the server is a finding, not a crash."""
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += await check(subject)
        except GatewayError as error:
            part = check.__name__.removeprefix("check_")
            findings.append(Finding(part, "FAIL", str(error), "read the lines above and the log"))
    return findings


async def check_server(subject: Subject) -> Sequence[Finding]:
    """`GET /` answers."""
    started = time.perf_counter()
    health = await subject.gateway.get_json("/")
    took_ms = (time.perf_counter() - started) * 1000
    if health != {"status": "OK"}:
        return [Finding("server", "FAIL", f"GET / said {health}", "is another program there?")]
    return [Finding("server", "ok", f"answers in {took_ms:.0f} ms")]


async def check_auth(subject: Subject) -> Sequence[Finding]:
    """A stranger is refused exactly when auth is on."""
    mode = auth_mode(subject.settings)
    status = await subject.gateway.status("/voices", anonymous=True)
    if mode == "off":
        return [Finding("auth", "off", "everyone may call; set AUTH_REQUIRED=true to change that")]
    if status != 401:
        cure = "check AUTH_REQUIRED and the secrets with `sayna check`"
        return [Finding("auth", "FAIL", f"a caller without a key got {status}", cure)]
    return [Finding("auth", "ok", mode)]


async def check_openapi(subject: Subject) -> Sequence[Finding]:
    """`GET /openapi.json` is an OpenAPI document."""
    found = await subject.gateway.get_json("/openapi.json")
    document = cast("Message", found) if isinstance(found, dict) else {}
    paths = document.get("paths")
    if not str(document.get("openapi", "")).startswith("3.1") or not isinstance(paths, dict):
        cure = "this installation is damaged: install Sayna again"
        return [Finding("openapi", "FAIL", "/openapi.json is not an OpenAPI 3.1 document", cure)]
    return [Finding("openapi", "ok", f"{len(cast('Message', paths))} paths")]


async def check_voices(subject: Subject) -> Sequence[Finding]:
    """`GET /voices` lists voices for whoever can speak."""
    found = await subject.gateway.get_json("/voices")
    voices = cast("dict[str, list[object]]", found) if isinstance(found, dict) else {}
    if not any(voices.values()):
        cure = f"{LOCAL_CURE}, or set a vendor's key such as DEEPGRAM_API_KEY"
        return [Finding("voices", "FAIL", "no provider lists any voice", cure)]
    counts = ", ".join(f"{name} {len(entries)}" for name, entries in voices.items() if entries)
    return [Finding("voices", "ok", counts)]


async def check_speech(subject: Subject) -> Sequence[Finding]:
    """The local voice speaks a sentence; the local recognizer understands it word for word."""
    lacking = {"espeak-ng", "pocketsphinx"} - set(installed_engines())
    if lacking:
        return _without_local(subject.settings, ", ".join(sorted(lacking)))
    try:
        sound = await _speak(subject.gateway)
    except GatewayError as error:
        return [Finding("speak", "FAIL", str(error), LOCAL_CURE)]
    spoken = Finding("speak", "ok", f"POST /speak made {sound.duration_s:.1f} s of speech")
    try:
        heard = await _listen(subject.gateway, sound)
    except (GatewayError, ExceptionGroup) as error:
        return [spoken, Finding("listen", "FAIL", first_line(error), LOCAL_CURE)]
    if heard != SENTENCE:
        says = f"/ws heard other words than were spoken ({len(heard.split())} words)"
        cure = "is there another grammar `demo` in the folder of LOCAL_GRAMMARS_PATH? rename it"
        return [spoken, Finding("listen", "FAIL", says, cure)]
    return [spoken, Finding("listen", "ok", "/ws understood every word")]


async def check_clouds(subject: Subject) -> Sequence[Finding]:
    """Which cloud vendors have credentials; none is called."""
    names = clouds_with_credentials(subject.settings)
    if not names:
        return [Finding("clouds", "off", "no vendor's key is set; the local provider serves")]
    installed = installed_providers(subject.settings)
    if lacking := [name for name in names if name not in installed]:
        why = f"credentials for {', '.join(lacking)}, but no adapter is installed"
        return [Finding("clouds", "off", why)]
    return [Finding("clouds", "ok", f"credentials for {', '.join(names)} (not called)")]


async def check_engines(subject: Subject) -> Sequence[Finding]:
    """Every engine of which models are configured is installed."""
    folder = subject.settings.providers.local.models_path
    return [_engine(kind, folder) for kind in MODEL_FILES]


async def check_models(subject: Subject) -> Sequence[Finding]:
    """The models that `sayna init` fetches."""
    folder = models_folder(subject.settings)
    if folder is None:
        return [Finding("models", "off", "no cache path is set, so none are kept")]
    lacking = missing(folder)
    if lacking:
        return [Finding("models", "off", f"{len(lacking)} not fetched; `sayna init` does")]
    return [Finding("models", "ok", f"in {folder}")]


async def check_cache(subject: Subject) -> Sequence[Finding]:
    """The cache folder can be written."""
    folder = subject.settings.cache.path
    if folder is None:
        return [Finding("cache", "ok", "in memory")]
    probe = folder / ".doctor"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        cure = f"make {folder} writable for this user, or set CACHE_PATH elsewhere"
        return [Finding("cache", "FAIL", f"{folder}: {error.strerror}", cure)]
    return [Finding("cache", "ok", str(folder))]


CHECKS: tuple[Check, ...] = (
    check_server,
    check_auth,
    check_openapi,
    check_voices,
    check_speech,
    check_clouds,
    check_engines,
    check_models,
    check_cache,
)
"""Everything the doctor looks at, in the order in which it reports."""


async def _speak(gateway: Gateway) -> Sound:
    wish = SpeechRequest(SENTENCE, provider="local", sample_rate=16_000)
    speech = await gateway.speak(wish)
    if not speech.audio:
        raise GatewayError("POST /speak answered without audio")
    return Sound(speech.audio, speech.sample_rate)


async def _listen(gateway: Gateway, sound: Sound) -> str:
    """Return the finals that came back, joined."""
    finals: list[str] = []
    wrong: list[str] = []

    def hear(message: Message) -> None:
        if message.get("type") == "error":
            wrong.append(str(message.get("message")))
        elif message.get("is_final") is True:
            finals.append(str(message.get("transcript", "")).strip())

    config = ListenRequest("local", GRAMMAR).to_config(sound)
    async with gateway.open_conversation(config) as conversation:
        await conversation.transcribe(
            sound, hear, quiet_s=5.0, until=lambda: bool(wrong or any(finals))
        )
    if wrong:
        raise GatewayError(wrong[0])
    return " ".join(final for final in finals if final)


def _without_local(settings: Settings, lacking: str) -> list[Finding]:
    """Missing local engines are a choice where a cloud serves, else a fault."""
    says = f"not installed: {lacking}"
    if clouds_with_credentials(settings):
        return [Finding("local", "off", says)]
    return [Finding("local", "FAIL", says, LOCAL_CURE)]


def _engine(kind: str, folder: Path | None) -> Finding:
    installed = find_spec(ENGINES[kind]) is not None
    patterns = MODEL_FILES[kind]
    has_models = folder is not None and any(any(folder.glob(files)) for files in patterns)
    extra = f"pip install 'sayna[{kind}]'"
    if has_models and not installed:
        return Finding(kind, "FAIL", f"models in {folder}, but the engine is not installed", extra)
    if not installed:
        return Finding(kind, "off", f"not installed ({extra})")
    if not has_models:
        return Finding(kind, "off", "installed; no models of it in local.models_path")
    return Finding(kind, "ok", f"models in {folder}")


def first_line(error: BaseException) -> str:
    """Unwrap task groups: people want the cause."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return (str(error).splitlines() or [type(error).__name__])[0]

"""Each check tells a sound part from a broken one, and a broken one's cure."""

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from sayna.cli import checkup
from sayna.cli.checkup import SENTENCE, Finding, Subject, examine
from sayna.cli.gateway import GatewayError, Message, open_gateway
from sayna.settings.load import load_settings
from sayna.settings.tree import Settings
from tests.cli.fake_server import FakeSayna, open_fake_sayna

PCM = b"\x01\x00" * 1_600
HEARD: Message = {
    "type": "stt_result",
    "transcript": SENTENCE,
    "is_final": True,
    "is_speech_final": True,
    "confidence": 0.5,
}


@pytest.fixture
async def fake() -> AsyncGenerator[FakeSayna, None]:
    async with open_fake_sayna() as fake:
        fake.speech = (200, PCM, {"x-audio-format": "linear16", "x-sample-rate": "16000"})
        fake.said = [HEARD]
        yield fake


async def look(
    check: checkup.Check, fake: FakeSayna, folder: Path, **environ: str
) -> Sequence[Finding]:
    settings = load_settings(environ=environ, cwd=folder).settings
    async with open_gateway(fake.url, None) as gateway:
        return await check(Subject(settings, gateway))


def states(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(finding.part, finding.state) for finding in findings]


def test_a_broken_part_shows_its_cure_on_a_line_of_its_own() -> None:
    assert Finding("speak", "ok", "fine").render() == "ok    speak        fine"
    line, cure = Finding("speak", "FAIL", "no voice", "install one").render().splitlines()
    assert line.split() == ["FAIL", "speak", "no", "voice"]
    assert cure.strip() == "cure: install one"


async def test_the_server_answers(fake: FakeSayna, tmp_path: Path) -> None:
    assert states(await look(checkup.check_server, fake, tmp_path)) == [("server", "ok")]
    fake.pages["/"] = (200, {"hello": "world"})
    assert states(await look(checkup.check_server, fake, tmp_path)) == [("server", "FAIL")]


async def test_a_stranger_must_be_refused_when_auth_is_on(fake: FakeSayna, tmp_path: Path) -> None:
    fake.pages["/voices"] = (200, {})
    on = {"AUTH_REQUIRED": "true", "AUTH_API_SECRET": "hush"}
    assert states(await look(checkup.check_auth, fake, tmp_path)) == [("auth", "off")]
    assert states(await look(checkup.check_auth, fake, tmp_path, **on)) == [("auth", "FAIL")]
    fake.pages["/voices"] = (401, {"error": "missing_auth_header", "message": ""})
    assert states(await look(checkup.check_auth, fake, tmp_path, **on)) == [("auth", "ok")]


@pytest.mark.parametrize(
    ("document", "state"),
    [
        ({"openapi": "3.1.0", "paths": {"/": {}}}, "ok"),
        ({"openapi": "3.0.0", "paths": {"/": {}}}, "FAIL"),
        ({"openapi": "3.1.0"}, "FAIL"),
        ([], "FAIL"),
    ],
)
async def test_the_document_is_openapi_3_1(
    fake: FakeSayna, tmp_path: Path, document: object, state: str
) -> None:
    fake.pages["/openapi.json"] = (200, document)
    assert states(await look(checkup.check_openapi, fake, tmp_path)) == [("openapi", state)]


async def test_somebody_lists_voices(fake: FakeSayna, tmp_path: Path) -> None:
    fake.pages["/voices"] = (200, {"local": [{}, {}]})
    (fine,) = await look(checkup.check_voices, fake, tmp_path)
    assert (fine.state, fine.says) == ("ok", "local 2")
    fake.pages["/voices"] = (200, {})
    (broken,) = await look(checkup.check_voices, fake, tmp_path)
    assert broken.state == "FAIL"
    assert "sayna[local]" in broken.cure


async def test_a_sentence_must_come_back_word_for_word(fake: FakeSayna, tmp_path: Path) -> None:
    found = await look(checkup.check_speech, fake, tmp_path)
    assert states(found) == [("speak", "ok"), ("listen", "ok")]
    assert fake.speak_requests[0]["text"] == SENTENCE
    assert fake.configs[0]["stt_config"]["model"] == "grammar:demo"
    fake.said = [{**HEARD, "transcript": "something else"}]
    found = await look(checkup.check_speech, fake, tmp_path)
    assert states(found) == [("speak", "ok"), ("listen", "FAIL")]
    assert "something else" not in found[1].render()


async def test_an_error_while_listening_is_a_finding(fake: FakeSayna, tmp_path: Path) -> None:
    fake.said = [{"type": "error", "message": "STT streaming error: Provider error: gone"}]
    found = await look(checkup.check_speech, fake, tmp_path)
    assert states(found) == [("speak", "ok"), ("listen", "FAIL")]
    assert "gone" in found[1].says


async def test_silence_or_a_refusal_to_speak_is_a_finding(fake: FakeSayna, tmp_path: Path) -> None:
    for status, body in ((200, b""), (500, b'{"error": "no espeak"}')):
        fake.speech = (status, body, {})
        (found,) = await look(checkup.check_speech, fake, tmp_path)
        assert (found.part, found.state) == ("speak", "FAIL")
        assert found.cure


async def test_missing_local_engines_break_only_a_server_without_clouds(
    fake: FakeSayna, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "installed_engines", list[str])
    (alone,) = await look(checkup.check_speech, fake, tmp_path)
    assert (alone.state, "sayna[local]" in alone.cure) == ("FAIL", True)
    (beside,) = await look(checkup.check_speech, fake, tmp_path, DEEPGRAM_API_KEY="k")
    assert (beside.state, beside.cure) == ("off", "")


async def test_clouds_are_named_not_called(
    fake: FakeSayna, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "installed_providers", lambda _: ["local"])
    (idle,) = await look(checkup.check_clouds, fake, tmp_path, DEEPGRAM_API_KEY="hush")
    assert (idle.state, "no adapter" in idle.says) == ("off", True)
    monkeypatch.setattr(checkup, "installed_providers", lambda _: ["deepgram", "local"])
    (off,) = await look(checkup.check_clouds, fake, tmp_path)
    assert off.state == "off"
    (on,) = await look(checkup.check_clouds, fake, tmp_path, DEEPGRAM_API_KEY="hush")
    assert (on.state, "deepgram" in on.says, "hush" in on.says) == ("ok", True, False)
    assert fake.keys == []


@pytest.mark.parametrize(("installed", "state"), [(True, "ok"), (False, "FAIL")])
@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("vosk", "small/am/final.mdl"),
        ("sherpa", "zip/tokens.txt"),
        ("whisper", "tiny/model.bin"),
        ("piper", "ann.onnx.json"),
        ("piper", "ann/ann.onnx.json"),
        ("kokoro", "kokoro-v1.onnx"),
        ("kokoro", "kokoro/kokoro-v1.onnx"),
    ],
)
async def test_models_without_their_engine_are_a_fault(
    fake: FakeSayna,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    kind: str,
    file: str,
    installed: bool,
    state: str,
) -> None:
    monkeypatch.setattr(checkup, "find_spec", lambda _name: installed or None)
    place = tmp_path / "models" / file
    place.parent.mkdir(parents=True)
    place.write_bytes(b"")
    models = str(tmp_path / "models")
    found = await look(checkup.check_engines, fake, tmp_path, LOCAL_MODELS_PATH=models)
    (finding,) = [item for item in found if item.part == kind]
    assert finding.state == state
    assert (f"sayna[{kind}]" in finding.cure) is (state == "FAIL")


async def test_engines_without_models_are_merely_off(fake: FakeSayna, tmp_path: Path) -> None:
    found = await look(checkup.check_engines, fake, tmp_path)
    assert {finding.state for finding in found} == {"off"}


async def test_models_that_were_not_fetched_are_off_with_a_hint(
    fake: FakeSayna, tmp_path: Path
) -> None:
    (none,) = await look(checkup.check_models, fake, tmp_path)
    assert none.state == "off"
    (lacking,) = await look(checkup.check_models, fake, tmp_path, CACHE_PATH=str(tmp_path))
    assert (lacking.state, "sayna init" in lacking.says) == ("off", True)


async def test_a_cache_folder_that_cannot_be_written_is_a_fault(
    fake: FakeSayna, tmp_path: Path
) -> None:
    (memory,) = await look(checkup.check_cache, fake, tmp_path)
    assert memory.says == "in memory"
    (fine,) = await look(checkup.check_cache, fake, tmp_path, CACHE_PATH=str(tmp_path / "c"))
    assert fine.state == "ok"
    (tmp_path / "c" / ".doctor").mkdir()  # in the way of the probe, for root too
    (broken,) = await look(checkup.check_cache, fake, tmp_path, CACHE_PATH=str(tmp_path / "c"))
    assert (broken.state, "CACHE_PATH" in broken.cure) == ("FAIL", True)


async def test_a_check_that_cannot_reach_the_server_is_a_finding(
    fake: FakeSayna, tmp_path: Path
) -> None:
    async def check_moon(_subject: Subject) -> Sequence[Finding]:
        raise GatewayError("too far")

    async def check_earth(_subject: Subject) -> Sequence[Finding]:
        return [Finding("earth", "ok", "here")]

    settings: Settings = load_settings(environ={}, cwd=tmp_path).settings
    async with open_gateway(fake.url, None) as gateway:
        found = await examine(Subject(settings, gateway), [check_moon, check_earth])
    assert states(found) == [("moon", "FAIL"), ("earth", "ok")]
    assert found[0].says == "too far"

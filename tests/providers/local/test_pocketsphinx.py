"""pocketsphinx itself, in its worker processes, fed with espeak-ng's speech."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from sayna.audio.convert import Outbound
from sayna.errors import ConnectionFailed, ProviderError, ProviderMisconfigured
from sayna.providers.local.espeak import open_espeak
from sayna.providers.local.model_hosts import ModelHosts, open_hosts
from sayna.providers.local.options import BUNDLED_GRAMMARS
from sayna.providers.local.pocketsphinx import open_pocketsphinx
from sayna.settings.vendors import Local
from sayna.speech.events import RecognizerFault, SpeechEvent, Transcript
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import Recognizer

pytestmark = pytest.mark.slow
pytest.importorskip("espeakng_loader")
pytest.importorskip("pocketsphinx")

PATIENCE_S = 60.0
LOCAL = Local(recognizer_processes=1, max_recognizers_per_process=4)
DEMO = BUNDLED_GRAMMARS / "demo.gram"
SENTENCES = tuple(
    sentence.strip() for sentence in DEMO.read_text().split("=")[1].rstrip("; \n").split("|")
)


@pytest.fixture
async def hosts() -> AsyncGenerator[ModelHosts, None]:
    async with asyncio.timeout(PATIENCE_S), open_hosts(max_idle=4) as opened:
        yield opened


async def speech(hosts: ModelHosts, text: str, audio_format: str, rate: int) -> bytes:
    options = SynthesizerOptions("local", audio_format=audio_format, sample_rate=rate)
    async with open_espeak(hosts, options) as synthesizer:
        return b"".join([chunk async for chunk in synthesizer.speak(text)])


def options(**chosen: object) -> RecognizerOptions:
    return RecognizerOptions("local", **{"model": "grammar:demo", **chosen})  # type: ignore[arg-type]


async def drained(recognizer: Recognizer) -> list[SpeechEvent]:
    recognizer.finish()
    return [event async for event in recognizer.events()]


def finals(events: list[SpeechEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, Transcript) and event.is_final]


async def heard(
    hosts: ModelHosts, audio: bytes, local: Local = LOCAL, **chosen: object
) -> list[SpeechEvent]:
    async with open_pocketsphinx(hosts, options(**chosen), local) as recognizer:
        recognizer.send_audio(audio)
        return await drained(recognizer)


def test_the_demo_has_ten_sentences() -> None:
    assert len(SENTENCES) == 10


@pytest.mark.parametrize(
    ("encoding", "rate", "channels"),
    [("mulaw", 8_000, 1), ("linear16", 16_000, 1), ("linear16", 24_000, 2), ("alaw", 8_000, 1)],
)
async def test_every_sentence_of_the_demo_comes_back_word_for_word(
    hosts: ModelHosts, encoding: str, rate: int, channels: int
) -> None:
    for sentence in SENTENCES:
        mono = await speech(hosts, sentence, encoding, rate)
        width = 2 if encoding == "linear16" else 1
        audio = b"".join(mono[at : at + width] * channels for at in range(0, len(mono), width))
        events = await heard(hosts, audio, encoding=encoding, sample_rate=rate, channels=channels)
        assert finals(events) == [sentence]


async def test_interims_come_before_the_final_and_change_each_time(hosts: ModelHosts) -> None:
    events = await heard(hosts, await speech(hosts, SENTENCES[0], "linear16", 16_000))
    *interims, final = events
    assert final == Transcript(SENTENCES[0], True, True, 0.5)
    assert len(interims) >= 3
    assert all(isinstance(event, Transcript) and event.text for event in interims)
    assert all(one != other for one, other in pairwise(interims))


async def test_a_pause_ends_the_utterance_without_being_told(hosts: ModelHosts) -> None:
    audio = await speech(hosts, SENTENCES[1], "linear16", 16_000)
    async with open_pocketsphinx(hosts, options(), LOCAL) as recognizer:
        recognizer.send_audio(bytes(16_000) + audio + bytes(32_000))
        async for event in recognizer.events():
            if isinstance(event, Transcript) and event.is_final:
                assert event == Transcript(SENTENCES[1], True, True, 0.5)
                break


async def test_finalize_brings_a_final_and_the_stream_goes_on(hosts: ModelHosts) -> None:
    async with open_pocketsphinx(hosts, options(), LOCAL) as recognizer:
        for sentence in SENTENCES[:2]:
            recognizer.send_audio(await speech(hosts, sentence, "linear16", 16_000))
            recognizer.finalize()
        assert finals(await drained(recognizer)) == list(SENTENCES[:2])


async def test_free_dictation_hears_words(hosts: ModelHosts) -> None:
    audio = await speech(hosts, "hello, how are you today", "linear16", 16_000)
    assert finals(await heard(hosts, audio, model=""))


async def test_a_keyphrase_is_spotted_within_other_speech(
    hosts: ModelHosts, tmp_path: Path
) -> None:
    (tmp_path / "wake.kws").write_text("weather like today /1e-20/\n")
    audio = await speech(hosts, "tell me what is the weather like today", "linear16", 16_000)
    local = Local(recognizer_processes=1, grammars_path=tmp_path)
    events = await heard(hosts, audio, local, model="keyphrases:wake")
    assert events == [Transcript("weather like today", True, True, 0.5)]


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("x.gram", "#JSGF V1.0;\ngrammar x;\npublic <a> = open the zzdoor;\n", "zzdoor.*x.dict"),
        ("x.gram", "#JSGF V1.0;\ngrammar x;\npublic <a> = open ( the ;\n", "x.gram.*line 3"),
        ("x.gram", "#JSGF V1.0;\ngrammar x;\n<a> = open;\n", "x.gram.*public"),
        ("x.kws", "hello zzworld /1e-20/\n", "zzworld.*x.dict"),
    ],
)
async def test_a_grammar_that_cannot_be_used_says_what_and_why(
    hosts: ModelHosts, tmp_path: Path, file: str, content: str, why: str
) -> None:
    (tmp_path / file).write_text(content)
    local = Local(recognizer_processes=1, grammars_path=tmp_path)
    model = "keyphrases:x" if file.endswith("kws") else "grammar:x"
    with pytest.raises(ProviderMisconfigured, match=why) as caught:
        await heard(hosts, b"", local, model=model)
    assert str(tmp_path) not in caught.value.detail
    demo = Local(recognizer_processes=1)
    assert await heard(hosts, await speech(hosts, SENTENCES[0], "linear16", 16_000), demo)


async def test_a_word_can_be_taught(hosts: ModelHosts, tmp_path: Path) -> None:
    (tmp_path / "x.gram").write_text(
        "#JSGF V1.0;\ngrammar x;\npublic <a> = please open sayna now | close the door;\n"
    )
    (tmp_path / "x.dict").write_text("sayna S EY N AH\n")
    local = Local(recognizer_processes=1, grammars_path=tmp_path)
    audio = await speech(hosts, "please open sayna now", "linear16", 16_000)
    assert finals(await heard(hosts, audio, local, model="grammar:x")) == ["please open sayna now"]


@pytest.mark.parametrize(
    ("field", "chosen"),
    [
        ("stt_config.sample_rate", {"sample_rate": 0}),
        ("stt_config.channels", {"channels": 0}),
        ("stt_config.encoding", {"encoding": "flac"}),
        ("stt_config.language", {"language": "de-DE"}),
        ("nothere.gram", {"model": "grammar:nothere"}),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_starts(
    hosts: ModelHosts, field: str, chosen: dict[str, object]
) -> None:
    with pytest.raises(ProviderMisconfigured, match=field):
        await heard(hosts, b"", LOCAL, **chosen)
    assert hosts.hosts == ()


async def test_streams_beyond_the_capacity_are_refused(hosts: ModelHosts) -> None:
    local = Local(recognizer_processes=2, max_recognizers_per_process=2)
    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(open_pocketsphinx(hosts, options(), local))
        assert len(hosts.hosts) == 2
        assert [host.users for host in hosts.hosts] == [2, 2]
        with pytest.raises(ConnectionFailed, match="at capacity"):
            await heard(hosts, b"", local)
    assert await heard(hosts, b"", local) == []


async def test_two_callers_of_one_worker_do_not_mix(hosts: ModelHosts) -> None:
    audios = [await speech(hosts, sentence, "linear16", 16_000) for sentence in SENTENCES[:4]]
    async with AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(open_pocketsphinx(hosts, options(), LOCAL))
            for _ in audios
        ]
        for at in range(0, max(map(len, audios)), 640):
            for caller, audio in zip(callers, audios, strict=True):
                caller.send_audio(audio[at : at + 640])
        results = await asyncio.gather(*map(drained, callers))
    assert [finals(events) for events in results] == [[sentence] for sentence in SENTENCES[:4]]


async def test_a_dead_worker_costs_each_stream_one_fault_and_they_go_on(
    hosts: ModelHosts,
) -> None:
    audio = await speech(hosts, SENTENCES[2], "linear16", 16_000)
    async with (
        open_pocketsphinx(hosts, options(), LOCAL) as one,
        open_pocketsphinx(hosts, options(), LOCAL) as other,
    ):
        (host,) = [host for host in hosts.hosts if host.launch.engine == "pocketsphinx"]
        assert host.pid is not None
        os.kill(host.pid, signal.SIGKILL)
        for caller in (one, other):
            fault = await anext(aiter(caller.events()))
            assert isinstance(fault, RecognizerFault)
            assert fault.text.startswith("Connection failed: ")
        for caller in (one, other):
            caller.send_audio(audio)
            assert finals(await drained(caller)) == [SENTENCES[2]]


async def test_a_decoder_is_handed_on_without_a_trace(hosts: ModelHosts) -> None:
    quiet = Outbound(16_000, "linear16", 16_000).feed(bytes(3_200))
    audio = await speech(hosts, SENTENCES[4], "linear16", 16_000)
    first = finals(await heard(hosts, audio))
    async with open_pocketsphinx(hosts, options(), LOCAL) as recognizer:
        recognizer.send_audio(audio[: len(audio) // 2] + quiet)  # left in the middle of a word
    assert finals(await heard(hosts, audio)) == first == [SENTENCES[4]]


async def test_a_server_without_the_extra_says_how_to_get_it(
    hosts: ModelHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sayna.providers.local.options.find_spec", lambda _: None)
    with pytest.raises(ProviderError, match=r"pocketsphinx.*pip install 'sayna\[local\]'"):
        await heard(hosts, b"")

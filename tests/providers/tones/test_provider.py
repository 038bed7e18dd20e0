import asyncio
from contextlib import nullcontext

import pytest

from sayna.errors import (
    ConnectionFailed,
    NetworkFailed,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
)
from sayna.providers.registry import open_registry
from sayna.providers.tones.faults import STALL_LIMIT_S
from sayna.providers.tones.provider import TonesProvider
from sayna.settings.tree import Settings
from sayna.settings.vendors import Providers
from sayna.speech.options import RecognizerOptions, SynthesizerOptions
from sayna.speech.protocols import Provider, Recognizer, Watched
from tests.providers.tones.singing import final_text, sing

TEXT = "what goes in comes out"


def listening(model: str = "") -> RecognizerOptions:
    return RecognizerOptions("tones", sample_rate=16_000, model=model)


async def finals(recognizer: Recognizer) -> str:
    recognizer.finish()
    return final_text([event async for event in recognizer.events()])


async def repeat(provider: Provider) -> str:
    speaking = SynthesizerOptions("tones", sample_rate=16_000)
    async with (
        provider.open_synthesizer(speaking) as voice,
        provider.open_recognizer(listening()) as ear,
    ):
        async for chunk in voice.speak(TEXT):
            ear.send_audio(chunk)
        return await finals(ear)


async def test_it_hears_what_it_says() -> None:
    settings = Settings(providers=Providers(tones=True))
    async with open_registry(settings) as registry:
        assert await repeat(await registry.get("Tones")) == TEXT


async def test_its_only_voice_is_listed() -> None:
    assert [voice.id for voice in await TonesProvider(Providers()).voices()] == ["chords"]


async def test_a_wrong_model_is_refused_on_opening() -> None:
    provider = TonesProvider(Providers())
    with pytest.raises(ProviderMisconfigured, match="half-open"):
        async with provider.open_recognizer(listening("nova-3")):
            pass
    with pytest.raises(ProviderMisconfigured, match="half-open"):
        async with provider.open_synthesizer(SynthesizerOptions("tones", model="aura-2")):
            pass


async def test_a_status_refuses_a_recognizer_on_opening_as_often_as_it_says() -> None:
    provider = TonesProvider(Providers())
    for _ in range(2):
        with pytest.raises(ProviderRefused, match="503"):
            async with provider.open_recognizer(listening("status:503*2")):
                pass
    async with provider.open_recognizer(listening("status:503*2")) as ear:
        ear.send_audio(sing(TEXT, 16_000).tobytes())
        assert await finals(ear) == TEXT


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("drop@open", ConnectionFailed),
        ("reset@open", NetworkFailed),
        ("garbage@open", ProviderRefused),
        ("status:503@open", ProviderRefused),
    ],
)
async def test_opening_fails_on_both_sides_every_second_time(
    fault: str, kind: type[ProviderError]
) -> None:
    provider, model = TonesProvider(Providers()), f"{fault}/2"
    for fails in (False, True, False, True):
        for opening in (
            provider.open_recognizer(listening(model)),
            provider.open_synthesizer(SynthesizerOptions("tones", model=model)),
        ):
            with pytest.raises(kind) if fails else nullcontext():
                async with opening:
                    pass


@pytest.mark.parametrize(
    ("model", "seconds"), [("stall:2s@open", 2), ("stall@open", 60), ("half-open@open", 60)]
)
async def test_opening_takes_its_time_on_both_sides(model: str, seconds: float) -> None:
    waits: list[float] = []

    async def sleep(for_s: float) -> None:
        waits.append(for_s)

    provider = TonesProvider(Providers(), sleep)
    async with (
        provider.open_recognizer(listening(model)),
        provider.open_synthesizer(SynthesizerOptions("tones", model=model)),
    ):
        assert waits == [seconds, seconds]


async def test_it_says_how_long_its_silence_means_nothing() -> None:
    async with TonesProvider(Providers()).open_recognizer(listening()) as ear:
        assert isinstance(ear, Watched)
        assert ear.stall_limit_s == STALL_LIMIT_S
        before = ear.signs_of_life
        ear.send_audio(bytes(640))
        assert ear.signs_of_life > before


async def test_a_recognizer_that_dropped_once_is_whole_when_opened_again() -> None:
    provider = TonesProvider(Providers())
    heard: list[str] = []
    for _ in range(2):
        async with provider.open_recognizer(listening("drop@2w*1")) as ear:
            ear.send_audio(sing(TEXT, 16_000).tobytes())
            try:
                heard.append(await finals(ear))
            except Exception as error:  # noqa: BLE001 - it is looked at below
                heard.append(type(error).__name__)
    assert heard == ["ConnectionFailed", TEXT]


@pytest.mark.parametrize(("model", "seconds"), [("hang-on-close:2s", 2), ("hang-on-close", 60)])
async def test_closing_hangs_on_both_sides(model: str, seconds: float) -> None:
    waits: list[float] = []

    async def sleep(for_s: float) -> None:
        waits.append(for_s)

    provider = TonesProvider(Providers(), sleep)
    async with provider.open_recognizer(listening(model)):
        assert waits == []
    async with provider.open_synthesizer(SynthesizerOptions("tones", model=model)):
        pass
    assert waits == [seconds, seconds]


async def test_a_hanging_close_can_be_cancelled() -> None:
    provider = TonesProvider(Providers())
    opened = asyncio.Event()

    async def hold() -> None:
        async with provider.open_recognizer(listening("hang-on-close")):
            opened.set()

    holding = asyncio.create_task(hold())
    await opened.wait()
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding


async def test_many_streams_at_once_do_not_mix() -> None:
    provider = TonesProvider(Providers())
    assert await asyncio.gather(*(repeat(provider) for _ in range(5))) == [TEXT] * 5

import asyncio
from collections.abc import Sequence
from typing import cast

from typing_extensions import override

from sayna.errors import ConnectionFailed
from sayna.providers.catalogue import REMEMBERED_S, Catalogue
from sayna.providers.registry import Registry
from sayna.settings.tree import Settings
from sayna.speech.protocols import Voice
from tests.api.asgi import Shelf
from tests.fakes.scripted import ScriptedProvider

LIMIT_S = 10.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def catalogue(
    providers: Sequence[ScriptedProvider], clock: Clock | None = None, cap_s: float = LIMIT_S
) -> Catalogue:
    registry = cast("Registry", Shelf(providers))
    return Catalogue(registry, Settings(), cap_s=cap_s, clock=clock or Clock())


async def test_every_configured_provider_lists_its_voices() -> None:
    providers = [ScriptedProvider("one", voice_ids=["a"]), ScriptedProvider("two", voice_ids=["b"])]
    unconfigured = ScriptedProvider("deepgram", voice_ids=["c"])
    voices = await catalogue([*providers, unconfigured]).voices()
    assert {name: [voice.id for voice in entries] for name, entries in voices.items()} == {
        "one": ["a"],
        "two": ["b"],
    }


async def test_a_failing_provider_is_left_out_and_asked_again() -> None:
    broken, sound = ScriptedProvider("broken"), ScriptedProvider("sound", voice_ids=["a"])
    broken.voices_error = ConnectionFailed("gone")
    asked = catalogue([broken, sound])
    assert list(await asked.voices()) == ["sound"]
    broken.voices_error = None
    assert list(await asked.voices()) == ["broken", "sound"]


async def test_a_provider_that_dawdles_is_left_out() -> None:
    class Dawdler(ScriptedProvider):
        @override
        async def voices(self) -> Sequence[Voice]:
            await asyncio.Event().wait()
            return []

    async with asyncio.timeout(LIMIT_S):
        assert await catalogue([Dawdler("slow")], cap_s=0.01).voices() == {}


async def test_a_provider_that_crashes_is_left_out() -> None:
    class Crasher(ScriptedProvider):
        @override
        async def voices(self) -> Sequence[Voice]:
            raise RuntimeError

    assert await catalogue([Crasher("odd")]).voices() == {}


async def test_voices_are_remembered_for_a_while() -> None:
    clock, provider = Clock(), ScriptedProvider("one", voice_ids=["a"])
    asked = catalogue([provider], clock)
    await asked.voices()
    provider.voices_error = ConnectionFailed("gone")
    clock.now = REMEMBERED_S - 1
    assert list(await asked.voices()) == ["one"]
    clock.now = REMEMBERED_S + 1
    assert list(await asked.voices()) == []

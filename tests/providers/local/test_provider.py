"""The provider as a whole: which engine a name leads to. The engines have tests of their own."""

import pytest

from sayna.errors import ProviderMisconfigured
from sayna.providers.local import open_provider
from sayna.providers.local.provider import LocalProvider
from sayna.settings.tree import Settings
from sayna.speech.options import RecognizerOptions, SynthesizerOptions


async def test_nothing_runs_before_it_is_asked_for() -> None:
    async with open_provider(Settings()) as provider:
        assert isinstance(provider, LocalProvider)
        assert provider.hosts.hosts == ()


@pytest.mark.parametrize("prefix", ["vosk", "sherpa", "whisper"])
async def test_a_model_of_the_operators_own_is_looked_for_by_its_prefix(prefix: str) -> None:
    async with open_provider(Settings()) as provider:
        options = RecognizerOptions("local", model=f"{prefix}:mine")
        with pytest.raises(ProviderMisconfigured, match=rf"{prefix}|models_path"):
            async with provider.open_recognizer(options):
                pass


@pytest.mark.parametrize("prefix", ["piper", "kokoro"])
async def test_a_voice_of_the_operators_own_is_looked_for_by_its_prefix(prefix: str) -> None:
    async with open_provider(Settings()) as provider:
        options = SynthesizerOptions("local", voice_id=f"{prefix}:mine")
        with pytest.raises(ProviderMisconfigured, match=rf"{prefix}|models_path"):
            async with provider.open_synthesizer(options):
                pass


async def test_without_espeak_there_are_no_voices_and_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sayna.providers.local.options.find_spec", lambda _: None)
    async with open_provider(Settings()) as provider:
        assert await provider.voices() == []

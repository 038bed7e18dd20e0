"""One text becomes one piece of audio, without a session around it."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from sayna.audio.wav import settle_header
from sayna.errors import ProviderError, ProviderTimeout, SaynaError
from sayna.providers.cached import CachedSynthesizer, SpeechMemory
from sayna.providers.registry import Registry
from sayna.speech.options import SynthesizerOptions
from sayna.speech.parts import in_parts
from sayna.speech.protocols import AudioFormat, Provider, Synthesizer

OPENING = "Failed to create TTS provider"
SPEAKING = "TTS synthesis error"


@dataclass(frozen=True, slots=True)
class Speech:
    """One utterance, whole."""

    audio: bytes
    """A `wav` file has its length in its header."""
    audio_format: AudioFormat
    cached: bool = False
    """It was remembered, not made now."""


class SynthesisFailed(SaynaError):
    """No audio came of it; the text names the stage, then gives the provider's words."""

    code = "SYNTHESIS_FAILED"

    def __init__(self, stage: str, cause: ProviderError) -> None:
        super().__init__(f"{stage}: {cause.tts_text}")
        self.cause = cause


async def synthesize(
    registry: Registry,
    options: SynthesizerOptions,
    text: str,
    *,
    memory: SpeechMemory | None = None,
) -> Speech:
    """Say a text with the provider that the options name.

    Takes at most the sum of the options' two timeouts.

    Args:
        registry: where the provider comes from.
        options: who says it, and how; credentials included.
        text: what to say, pronunciations applied.
        memory: what was said before; None: nothing is remembered.

    Raises:
        SynthesisFailed: the provider could not be opened, failed, or was too slow.
    """
    limit_s = options.connection_timeout_s + options.request_timeout_s
    stage = OPENING
    try:
        async with asyncio.timeout(limit_s):
            provider: Provider = await registry.get(options.provider)
            async with provider.open_synthesizer(options) as opened:
                voice = in_parts(opened)
                synthesizer = voice if memory is None else memory.wrap(voice, options)
                stage = SPEAKING
                whole = settle_header(await _say_whole(synthesizer, text))
                return Speech(whole, synthesizer.audio_format, _was_cached(synthesizer))
    except TimeoutError:
        slow = ProviderTimeout(f"no complete audio within {limit_s:g} s", retryable=True)
        raise SynthesisFailed(stage, slow) from None
    except ProviderError as error:
        raise SynthesisFailed(stage, error) from error


async def _say_whole(synthesizer: Synthesizer, text: str) -> bytes:
    if isinstance(synthesizer, CachedSynthesizer):
        return await synthesizer.speak_whole(text)
    async with aclosing(synthesizer.speak(text)) as chunks:
        return b"".join([chunk async for chunk in chunks])


def _was_cached(synthesizer: Synthesizer) -> bool:
    return isinstance(synthesizer, CachedSynthesizer) and synthesizer.last_outcome == "HIT"

"""Speak with espeak-ng, which lives in a worker process of its own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sayna.audio.convert import check_outbound
from sayna.errors import ProviderMisconfigured
from sayna.providers.local.hosted_synthesizer import HostedSynthesizer
from sayna.providers.local.model_hosts import Launch, ModelHosts
from sayna.providers.local.options import require, wanted_voice
from sayna.providers.local.voices import Catalogue
from sayna.speech.options import SynthesizerOptions
from sayna.speech.protocols import Synthesizer, Voice

LAUNCH = Launch(
    module="sayna.providers.local.espeak_worker",
    engine="espeak-ng",
    model="espeak-ng",
    files=(),
    processes=1,  # 800 times faster than speech: one serves hundreds of sessions
    lanes_per_process=10_000,
)


@asynccontextmanager
async def open_espeak(
    hosts: ModelHosts, options: SynthesizerOptions
) -> AsyncGenerator[Synthesizer, None]:
    """Speak with a voice of espeak-ng until the block ends.

    Raises:
        ProviderMisconfigured: on entering; no such voice, format or rate, or no espeak-ng here.
        ProviderError: on entering; the worker cannot be started.
    """
    try:
        check_outbound(options.audio_format, options.sample_rate)
    except ValueError as error:
        raise ProviderMisconfigured(str(error)) from error
    require("espeakng_loader", "the voice of the provider local")
    async with hosts.share(LAUNCH) as host:
        loaded = await host.ready()
        voice = Catalogue(loaded.voices).find(wanted_voice(options))
        yield HostedSynthesizer(host, loaded.sample_rate, voice, options)


async def list_voices(hosts: ModelHosts) -> list[Voice]:
    """Return the voices of espeak-ng for `GET /voices`.

    Raises:
        ProviderError: the engine is not installed or its worker cannot be started.
    """
    require("espeakng_loader", "the voice of the provider local")
    async with hosts.share(LAUNCH) as host:
        return Catalogue((await host.ready()).voices).listing()

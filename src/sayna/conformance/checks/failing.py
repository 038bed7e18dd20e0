"""An engine that fails says so in the right kind of error, keeps secrets, and works again."""

from collections.abc import Sequence
from dataclasses import replace

from sayna.conformance.case import Case, Fault, Hearing, Speaking
from sayna.conformance.streams import Recording, fault_of, hear, silence
from sayna.conformance.utterances import is_alike, size_of, spoken
from sayna.errors import ProviderAuthFailed, ProviderError
from sayna.speech.options import Credentials
from sayna.speech.protocols import Provider, Synthesizer


async def test_a_fault_while_speaking_is_an_error_of_its_kind(
    provider: Provider, speaking: Speaking, speaking_fault: Fault
) -> None:
    """What goes wrong is raised as the `ProviderError` that says what, on opening or by `speak`.

    The kind decides what a client reads, `retryable` whether the session asks again. The text
    has neither a key nor what was to be said in it.
    """
    options = speaking_fault.speaking or speaking.options
    try:
        async with provider.open_synthesizer(options) as synthesizer:
            error = await _failure(synthesizer, speaking.text)
            if speaking_fault.passes and error is not None:
                await _must_work(synthesizer, speaking, "of the same synthesizer")
    except ProviderError as refused:
        error = refused
    _hold_to(error, speaking_fault, [speaking.text, *options.credentials.values()])
    async with provider.open_synthesizer(speaking.options) as synthesizer:
        await _must_work(synthesizer, speaking, "of a new synthesizer")


async def test_a_fault_while_listening_is_an_error_of_its_kind(
    provider: Provider, hearing: Hearing, recording: Recording, hearing_fault: Fault
) -> None:
    """A recognizer that is lost raises from `events`, or on opening; never from `send_audio`.

    What it heard is not in the text of the error, nor is a key; a new stream works.
    """
    options = hearing_fault.hearing or hearing.options
    error = await fault_of(provider, options, recording.audio)
    _hold_to(error, hearing_fault, [hearing.words, *options.credentials.values()])
    events = await hear(provider, hearing.options, recording.audio)
    assert recording.is_in(events), "behind the fault a new stream does not hear: start afresh"


async def test_wrong_credentials_are_an_authentication_error(
    provider: Provider, case: Case, wrong_credentials: Credentials
) -> None:
    """A key that the vendor refuses is `ProviderAuthFailed`, and its text does not contain the key.

    The text goes to the client and to the log.
    """
    errors: list[ProviderError | None] = []
    if case.speaking is not None:
        options = replace(case.speaking.options, credentials=wrong_credentials)
        try:
            async with provider.open_synthesizer(options) as synthesizer:
                errors.append(await _failure(synthesizer, case.speaking.text))
        except ProviderError as refused:
            errors.append(refused)
    if case.hearing is not None:
        wrong = replace(case.hearing.options, credentials=wrong_credentials)
        errors.append(await fault_of(provider, wrong, silence(wrong, 0.5)))
    for error in errors:
        assert isinstance(error, ProviderAuthFailed), (
            f"wrong credentials gave {error!r}: raise ProviderAuthFailed for the vendor's refusal"
        )
        _keep_secret(error, list(wrong_credentials.values()))


async def _failure(synthesizer: Synthesizer, text: str) -> ProviderError | None:
    """Return the error of an utterance; another exception than a `ProviderError` is a failure."""
    try:
        await spoken(synthesizer, text)
    except ProviderError as error:
        return error
    return None


async def _must_work(synthesizer: Synthesizer, speaking: Speaking, which: str) -> None:
    declared = synthesizer.audio_format
    first = size_of(await spoken(synthesizer, speaking.text), declared)
    again = size_of(await spoken(synthesizer, speaking.text), declared)
    assert first > 0, f"behind the fault the next text {which} is no audio"
    assert is_alike(first, again, speaking.variation), (
        f"behind the fault the next text {which} lasts {first:.2f}, the one behind it {again:.2f}:"
        " throw away what the broken one left"
    )


def _hold_to(error: ProviderError | None, fault: Fault, secrets: Sequence[str]) -> None:
    assert error is not None, (
        f"{fault.name}: nothing was raised: an engine that fails must not look like silence"
    )
    assert isinstance(error, fault.kind), (
        f"{fault.name}: {type(error).__name__} was raised, {fault.kind.__name__} is what it is"
    )
    assert fault.retryable is None or error.retryable == fault.retryable, (
        f"{fault.name}: retryable is {error.retryable}: True where the same call may succeed a"
        " moment later"
    )
    _keep_secret(error, secrets)


def _keep_secret(error: ProviderError, secrets: Sequence[str]) -> None:
    for secret in filter(None, secrets):
        assert secret not in f"{error} {error.detail} {error!r}", (
            f"the text of {type(error).__name__} contains a credential or what was said: leave the"
            " vendor's own words out, or mask them"
        )

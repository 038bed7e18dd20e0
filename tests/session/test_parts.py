from sayna.audio.wav import render_header
from sayna.session.parts import Parts, Speak
from sayna.session.utterance import Utterance
from sayna.speech.options import Pronunciation, SynthesizerOptions
from sayna.speech.pronunciation import Pronouncer
from tests.fakes.scripted import (
    ScriptedProvider,
    ScriptedSynthesizer,
    StreamingSynthesizer,
    speech_of,
)

RULES = Pronouncer([Pronunciation("AI", "A I"), Pronunciation("um", "")])


def utterance_of(text: str, *, is_open: bool = True) -> Utterance:
    return Utterance(text, protected=False, generation=0, is_open=is_open)


def voice(*, streams: bool = False, audio_format: str = "linear16") -> ScriptedSynthesizer:
    kind = StreamingSynthesizer if streams else ScriptedSynthesizer
    options = SynthesizerOptions("scripted", audio_format=audio_format, sample_rate=8_000)
    return kind(ScriptedProvider(), options)


def parts_of(utterance: Utterance, synthesizer: ScriptedSynthesizer) -> Parts:
    streaming = synthesizer if isinstance(synthesizer, StreamingSynthesizer) else None
    return Parts(utterance, synthesizer, streaming, RULES)


async def made(speak: Speak | None) -> bytes:
    assert speak is not None
    return b"".join([chunk async for chunk in speak()])


async def test_a_whole_text_is_one_part_for_any_voice() -> None:
    for streams in (False, True):
        synthesizer = voice(streams=streams)
        parts = parts_of(utterance_of("Ask AI. Now.", is_open=False), synthesizer)
        speak = parts.next_part()
        assert await made(speak) == await made(speak) == speech_of("Ask A I. Now.")  # tried again
        assert parts.next_part() is None
        assert synthesizer.spoken == ["Ask A I. Now."] * 2


async def test_a_text_in_pieces_is_made_sentence_by_sentence() -> None:
    synthesizer, utterance = voice(), utterance_of("Ask A")
    parts = parts_of(utterance, synthesizer)
    assert parts.next_part() is None
    utterance.add("I. Then")
    utterance.add(" go. No")
    assert await made(parts.next_part()) == speech_of("Ask A I.")
    await made(parts.next_part())
    assert parts.next_part() is None
    utterance.add("w")
    utterance.end()
    await made(parts.next_part())
    assert parts.next_part() is None
    assert synthesizer.spoken == ["Ask A I.", "Then go.", "Now"]


async def test_the_sentences_of_a_wav_are_one_file() -> None:
    synthesizer, utterance = voice(audio_format="wav"), utterance_of("One. Two.")
    synthesizer._provider.speech = lambda text: render_header(8_000) + text.encode()
    parts = parts_of(utterance, synthesizer)
    utterance.end()
    audio = [await made(parts.next_part()) for _ in range(2)]
    assert b"".join(audio) == render_header(8_000) + b"One.Two."


async def test_an_engine_that_takes_pieces_gets_them_pronounced_and_all_again_when_asked() -> None:
    synthesizer, utterance = voice(streams=True), utterance_of("Ask A")
    parts = parts_of(utterance, synthesizer)
    speak = parts.next_part()
    assert parts.next_part() is None
    utterance.add("I now")
    utterance.end()
    assert await made(speak) == await made(speak) == speech_of("Ask A I now")
    assert isinstance(synthesizer, StreamingSynthesizer)
    assert synthesizer.streamed == [["Ask A I now"]] * 2
    assert synthesizer.spoken == []


async def test_no_piece_that_is_blank_from_the_beginning_is_passed_on() -> None:
    synthesizer, utterance = voice(streams=True), utterance_of("um")
    speak = parts_of(utterance, synthesizer).next_part()
    assert speak is not None
    audio = speak()
    utterance.add(" um")
    utterance.add(" yes")
    utterance.end()
    assert b"".join([chunk async for chunk in audio]) == speech_of("yes")
    assert isinstance(synthesizer, StreamingSynthesizer)
    assert synthesizer.streamed == [["yes"]]


def test_nothing_is_made_of_what_is_lost() -> None:
    for text in ("One. Two. ", "One"):
        for streams in (False, True):
            utterance = utterance_of(text)
            utterance.lose()
            assert parts_of(utterance, voice(streams=streams)).next_part() is None

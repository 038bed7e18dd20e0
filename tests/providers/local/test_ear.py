"""The ear with a decoder and an endpointer that play by rules: every frame tells what it is."""

from dataclasses import dataclass

from sayna.providers.local.ear import CONFIDENCE, MAX_UTTERANCE_BYTES, Ear
from sayna.speech.events import Transcript

FRAME_BYTES = 960
SPEECH, SILENCE = b"\x10" * FRAME_BYTES, bytes(FRAME_BYTES)


@dataclass
class Hypothesis:
    hypstr: str


class Endpointer:
    """Speech is every frame that is not zeros; the frame after it is still handed on."""

    frame_bytes = FRAME_BYTES

    def __init__(self) -> None:
        self.in_speech = False

    def process(self, frame: bytes) -> bytes | None:
        was, self.in_speech = self.in_speech, any(frame)
        return frame if self.in_speech or was else None

    def end_stream(self, frame: bytes) -> bytes | None:
        assert frame
        return frame if self.in_speech else None


class Decoder:
    """Hears one word of its list for each frame, and says them all at the end of the utterance."""

    def __init__(self, *words: str, final: str | None = None) -> None:
        self.words, self.final = words, final
        self.frames = 0
        self.is_open = False
        self.utterances = 0

    def start_utt(self) -> None:
        assert not self.is_open
        self.is_open, self.frames = True, 0
        self.utterances += 1

    def end_utt(self) -> None:
        assert self.is_open
        self.is_open = False

    def process_raw(self, data: bytes) -> int:
        assert self.is_open
        assert data
        self.frames += 1
        return 1

    def hyp(self) -> Hypothesis | None:
        if not self.is_open and self.final is not None:
            return Hypothesis(self.final) if self.final else None
        return Hypothesis("  ".join(self.words[: self.frames])) if self.words else None


def ear_for(decoder: Decoder, *, spots_phrases: bool = False) -> Ear:
    return Ear(decoder, Endpointer, spots_phrases=spots_phrases)


def test_speech_gives_interims_then_a_final_at_the_pause() -> None:
    ear = ear_for(Decoder("turn", "it", "off"))
    assert list(ear.accept(SILENCE + SPEECH * 2 + SILENCE * 2)) == [
        Transcript("turn"),
        Transcript("turn it"),
        Transcript("turn it off"),
        Transcript("turn it off", True, True, CONFIDENCE),
    ]


def test_an_interim_is_told_only_when_it_changed() -> None:
    events = list(ear_for(Decoder("hello")).accept(SPEECH * 5))
    assert events == [Transcript("hello")]


def test_audio_may_be_cut_anywhere() -> None:
    ear = ear_for(Decoder("yes"))
    audio = SPEECH + SILENCE
    events = [event for at in range(0, len(audio), 7) for event in ear.accept(audio[at : at + 7])]
    assert events == [Transcript("yes"), Transcript("yes", True, True, CONFIDENCE)]


def test_finalize_ends_a_segment_that_is_still_going_on() -> None:
    ear = ear_for(Decoder("go", "on"))
    list(ear.accept(SPEECH))
    assert list(ear.finalize()) == [
        Transcript("go on"),
        Transcript("go on", True, True, CONFIDENCE),
    ]
    assert list(ear.finalize()) == []


def test_after_finalize_the_next_segment_begins_afresh() -> None:
    decoder = Decoder("one")
    ear = ear_for(decoder)
    list(ear.accept(SPEECH))
    list(ear.finalize())
    assert list(ear.accept(SPEECH + SILENCE))[-1].is_final
    assert decoder.utterances == 2


def test_silence_gives_nothing() -> None:
    ear = ear_for(Decoder("ghost"))
    assert list(ear.accept(SILENCE * 10)) == []
    assert list(ear.finalize()) == []


def test_speech_that_comes_to_nothing_takes_its_interim_back() -> None:
    events = list(ear_for(Decoder("turn", final="")).accept(SPEECH + SILENCE))
    assert events == [Transcript("turn"), Transcript("", True, True, 0.0)]


def test_speech_that_never_was_anything_is_not_told() -> None:
    assert list(ear_for(Decoder()).accept(SPEECH + SILENCE)) == []


def test_a_phrase_is_final_the_moment_it_is_heard() -> None:
    decoder = Decoder("computer")
    events = list(ear_for(decoder, spots_phrases=True).accept(SPEECH * 2))
    assert events == [Transcript("computer", True, True, CONFIDENCE)] * 2
    assert decoder.utterances == 2


def test_an_endless_speaker_gets_a_final_that_does_not_end_the_turn() -> None:
    frames = MAX_UTTERANCE_BYTES // FRAME_BYTES + 1
    events = list(ear_for(Decoder("on")).accept(SPEECH * frames))
    assert Transcript("on", True, False, CONFIDENCE) in events


def test_an_abandoned_decoder_can_be_used_again() -> None:
    decoder = Decoder("half")
    ear = ear_for(decoder)
    list(ear.accept(SPEECH))
    ear.abandon()
    ear.abandon()
    assert not decoder.is_open


def test_a_phrase_at_the_very_end_is_given_time_to_be_spotted() -> None:
    decoder = Decoder("", "hello")
    ear = ear_for(decoder, spots_phrases=True)
    assert list(ear.accept(SPEECH)) == []
    decoder.frames = 1
    assert Transcript("hello", True, True, CONFIDENCE) in list(ear.finalize())

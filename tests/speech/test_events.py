from sayna.speech.events import Transcript


def test_a_bare_transcript_is_an_interim_without_confidence() -> None:
    heard = Transcript("hello")
    assert (heard.is_final, heard.is_speech_final, heard.confidence) == (False, False, 0.0)

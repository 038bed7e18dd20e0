"""From words and silence to results."""

from tests.emulators.hearing import Word
from tests.emulators.segments import Began, Ended, News, Segment, Segmenter


def _told(news: list[News]) -> list[str]:
    """Shorten: a text with a mark for each flag."""
    told: list[str] = []
    for each in news:
        match each:
            case Began(at_s):
                told.append(f"began {at_s}")
            case Ended(at_s):
                told.append(f"ended {at_s}")
            case Segment():
                told.append(each.text + "." * each.is_final + "!" * each.ends_speech)
    return told


def test_a_word_makes_an_interim_and_silence_makes_it_final() -> None:
    segmenter = Segmenter(endpoint_s=0.3, longest_s=9, pause_s=1.0)
    assert _told(segmenter.feed([Word("one", 0.5, 0.8)], 0.8)) == ["began 0.5", "one"]
    assert _told(segmenter.feed([Word("two", 0.9, 1.2)], 1.2)) == ["one two"]
    assert _told(segmenter.feed([], 1.49)) == []
    assert _told(segmenter.feed([], 1.5)) == ["one two.!"]
    assert _told(segmenter.feed([], 2.2)) == ["ended 1.2"]
    assert _told(segmenter.feed([], 5)) == []


def test_silence_between_two_words_of_one_piece_of_audio_is_noticed() -> None:
    segmenter = Segmenter(endpoint_s=0.3, longest_s=9, pause_s=None)
    words = [Word("one", 0.0, 0.3), Word("two", 1.0, 1.3)]
    assert _told(segmenter.feed(words, 1.3)) == ["began 0.0", "one", "one.!", "began 1.0", "two"]


def test_long_speech_is_final_in_parts_and_ends_once() -> None:
    segmenter = Segmenter(endpoint_s=0.3, longest_s=1.0, pause_s=None)
    words = [Word(str(n), n * 0.5, n * 0.5 + 0.4) for n in range(5)]
    told = _told(segmenter.feed(words, 2.4))
    assert told == ["began 0.0", "0", "0 1", "0 1.", "2", "2 3", "2 3.", "4"]
    assert _told(segmenter.feed([], 2.7)) == ["4.!"]


def test_long_silence_is_an_empty_final() -> None:
    segmenter = Segmenter(endpoint_s=0.3, longest_s=5, pause_s=1.0)
    assert _told(segmenter.feed([], 4.9)) == []
    assert _told(segmenter.feed([], 5.0)) == ["."]


def test_without_endpointing_speech_never_ends() -> None:
    segmenter = Segmenter(endpoint_s=None, longest_s=5, pause_s=None)
    assert _told(segmenter.feed([Word("a", 0, 0.3)], 4)) == ["began 0", "a"]
    assert _told(segmenter.feed([], 5)) == ["a."]
    assert _told(segmenter.feed([], 11)) == ["."]


def test_what_there_is_can_be_made_final() -> None:
    segmenter = Segmenter(endpoint_s=0.3, longest_s=5, pause_s=None)
    segmenter.feed([Word("a", 0, 0.3)], 0.4)
    assert segmenter.pending_s(0.4) == 0.4
    closed = segmenter.close(0.4)
    assert (closed.text, closed.is_final, closed.ends_speech) == ("a", True, False)
    assert segmenter.pending_s(0.4) == 0

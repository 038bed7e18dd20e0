import pytest

from sayna.api.repeated_fields import SEARCHED_CHARS, SEARCHED_VALUES, find_repeated_field

FIELDS = ("type", "text")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"type":"a","text":"b"}', None),
        ('{"type":"a","text":"b","text":"c"}', "text"),
        ('{"type":"a","text":"b","te\\u0078t":"c"}', "text"),
        ('{"type":"a","x":1,"x":2}', None),
        ('{"type":"a","x":{"text":1,"text":2}}', None),
        ('{"type":"a","text":"\\"text\\": \\"text\\""}', None),
    ],
)
def test_only_a_field_of_the_message_itself_counts(text: str, found: str | None) -> None:
    assert find_repeated_field(text, FIELDS, {}) == found


def test_fields_of_known_objects_inside_count_too() -> None:
    text = '{"type":"a","vad":{"ms":1,"ms":2},"turn":{"ms":1}}'
    assert find_repeated_field(text, FIELDS, {"vad": ("ms",), "turn": ("ms",)}) == "ms"
    assert find_repeated_field(text, FIELDS, {"turn": ("ms",)}) is None


def test_a_known_object_that_is_none_is_no_place_to_search() -> None:
    assert find_repeated_field('{"type":"a","vad":null}', FIELDS, {"vad": ("ms",)}) is None


def test_what_the_decoder_skips_over_is_skipped_here_too() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert find_repeated_field(f'{{"type":"a","type":"a","x":{deep}}}', FIELDS, {}) is None


def test_a_message_that_is_too_long_to_be_sound_is_not_searched() -> None:
    text = '{"type":"a","type":"a","x":"' + "y" * SEARCHED_CHARS + '"}'
    assert find_repeated_field(text, FIELDS, {}) is None


@pytest.mark.parametrize("value", ["{}", "[]", "1"])
def test_a_message_of_very_many_values_is_not_taken_apart(value: str) -> None:
    many = ",".join([value] * (SEARCHED_VALUES + 1))
    text = f'{{"type":"a","type":"a","x":[{many}]}}'
    assert find_repeated_field(text, FIELDS, {}) is None
    few = f'{{"type":"a","type":"a","x":[{value}]}}'
    assert find_repeated_field(few, FIELDS, {}) == "type"

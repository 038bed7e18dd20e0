import pytest

from sayna.api.phone_numbers import InvalidPhoneNumber, parse_named_number, parse_phone_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+15551234567", "tel:+15551234567"),
        ("0", "tel:0"),
        ("  +1555\t\n", "tel:+1555"),
        ("\u00a012\u00a0", "tel:12"),
        ("tel:+1555", "tel:+1555"),
        ("1" * 1000, "tel:" + "1" * 1000),
    ],
)
def test_a_number_is_trimmed_and_marked(text: str, number: str) -> None:
    assert parse_phone_number(text) == number


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cannot be empty"),
        (" ", "cannot be empty"),
        ("tel:", "cannot be empty"),
        ("+", "at least one digit"),
        ("1+2", "'+' at position 1 - plus sign"),
        ("++1", "'+' at position 1 - plus sign"),
        ("555-1234", "'-' at position 3"),
        ("(555)", "'(' at position 0"),
        ("sip:bob@x", "'s' at position 0"),
        ("tel:tel:1", "'t' at position 0"),
        ("\uff11\uff12", "at position 0"),
        ("1\u0663", "at position 1"),
    ],
)
def test_anything_else_is_refused_at_the_first_wrong_character(text: str, why: str) -> None:
    with pytest.raises(InvalidPhoneNumber) as refused:
        parse_phone_number(text)
    assert why in str(refused.value)


def test_a_field_is_named() -> None:
    with pytest.raises(InvalidPhoneNumber, match=r"^Invalid to_phone_number: Phone number"):
        parse_named_number("to_phone_number", "")

"""Phone numbers as clients write them, and as the telephone network wants them."""

from sayna.errors import InvalidRequest

PREFIX = "tel:"
DIGITS = frozenset("0123456789")


class InvalidPhoneNumber(InvalidRequest):
    """Not a phone number: an optional plus, then digits."""

    code = "INVALID_PHONE_NUMBER"


def parse_phone_number(text: str) -> str:
    """Return `tel:` and the number, trimmed; a `tel:` that is there already is not repeated.

    Raises:
        InvalidPhoneNumber: names the first character that does not belong, counted from 0.
    """
    number = text.strip().removeprefix(PREFIX)
    if not number:
        raise InvalidPhoneNumber("Phone number cannot be empty")
    for position, character in enumerate(number):
        if character in DIGITS or (character == "+" and position == 0):
            continue
        rule = (
            "plus sign is only allowed at the beginning"
            if character == "+"
            else "only digits (0-9) and optional leading '+' are allowed"
        )
        raise InvalidPhoneNumber(f"Invalid character '{character}' at position {position} - {rule}")
    if number == "+":
        raise InvalidPhoneNumber("Phone number must contain at least one digit")
    return PREFIX + number


def parse_named_number(field: str, text: str) -> str:
    """Do the same for a field of a request; the error names it.

    Raises:
        InvalidPhoneNumber: as above.
    """
    try:
        return parse_phone_number(text)
    except InvalidPhoneNumber as error:
        raise InvalidPhoneNumber(f"Invalid {field}: {error}") from None

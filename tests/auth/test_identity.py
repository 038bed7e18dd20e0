from sayna.auth.identity import ANONYMOUS, Identity, identity_of


def test_an_identity_is_trimmed_outside_and_kept_inside() -> None:
    assert identity_of("  Ten ant ") == Identity("Ten ant")


def test_a_blank_or_missing_identity_is_none_at_all() -> None:
    assert identity_of(" \t") is ANONYMOUS
    assert identity_of(None) is ANONYMOUS
    assert ANONYMOUS.tenant is None

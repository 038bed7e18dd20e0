import pytest
from pydantic import SecretStr, ValidationError

from sayna.settings.telephony import Sip, SipHook, check_address, fold_host, strip, strip_secret

HOOK = {"host": "a.example", "url": "https://h.example/x"}


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "192.0.2.0/24", "2001:db8::1", "2001:db8::/32", " 192.0.2.1 "]
)
def test_addresses_and_ranges_are_trimmed_and_kept(address: str) -> None:
    assert check_address(address) == address.strip()


@pytest.mark.parametrize(
    "address",
    ["", "example.com", "1.2.3", "999.1.1.1/99", "1.1.1.1/33", "1234.1.1.1", "1.1.1.1/123"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        check_address(address)


def test_hosts_are_compared_without_case_and_space() -> None:
    assert fold_host(" A.Example ") == "a.example"
    with pytest.raises(ValueError, match="blank"):
        fold_host("  ")


def test_a_blank_secret_counts_as_none() -> None:
    assert strip_secret(SecretStr("  ")) is None
    assert strip_secret(SecretStr(" s ")) == SecretStr("s")
    assert SipHook.model_validate({**HOOK, "secret": " "}).secret is None
    assert Sip.model_validate({"hook_secret": " s "}).hook_secret == SecretStr("s")


def test_phone_settings_are_trimmed() -> None:
    sip = Sip.model_validate({"outbound_address": " h:5060 ", "outbound_auth_username": " u "})
    assert (sip.outbound_address, sip.outbound_auth_username) == ("h:5060", "u")
    assert strip(" x ") == "x"


@pytest.mark.parametrize("url", ["ftp://h", "nonsense", "", "//h/x"])
def test_a_hook_is_told_over_http_only(url: str) -> None:
    with pytest.raises(ValidationError, match="complete URL"):
        SipHook.model_validate({**HOOK, "url": url})


def test_a_hook_belongs_to_nobody_unless_it_says_so() -> None:
    assert SipHook.model_validate(HOOK).auth_id == ""
    assert SipHook.model_validate({**HOOK, "auth_id": " t "}).auth_id == "t"

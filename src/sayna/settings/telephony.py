"""Settings of phone calls over SIP."""

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from sayna.settings.values import Env, HttpUrl, Secret, Section, Text


def strip(text: str) -> str:
    """Drop surrounding whitespace, which phone operators like to paste along."""
    return text.strip()


def fold_host(host: str) -> str:
    """Return a domain the way calls name it: trimmed, lower case; refuse an empty one."""
    if not (folded := host.strip().lower()):
        raise ValueError("is blank; name the SIP domain that the hook serves")
    return folded


def check_address(address: str) -> str:
    """Refuse anything but an IPv4 or IPv6 address or range."""
    trimmed = address.strip()
    try:
        ip_network(trimmed, strict=False)
    except ValueError:
        raise ValueError(
            "is not an address; write an IPv4 or IPv6 address or range such as 192.0.2.0/24"
        ) from None
    return trimmed


def strip_secret(secret: Secret) -> Secret | None:
    """Trim a secret; a blank one counts as none."""
    trimmed = secret.get_secret_value().strip()
    return type(secret)(trimmed) if trimmed else None


Trimmed = Annotated[Text, AfterValidator(strip)]
Address = Annotated[Text, AfterValidator(check_address)]
Host = Annotated[Text, AfterValidator(fold_host)]


class SipHook(Section):
    """Who hears about the calls of one SIP domain."""

    host: Host
    """SIP domain whose calls this hook hears about."""

    url: HttpUrl
    """Address that the event is posted to, http or https."""

    secret: Secret | None = None
    """Signs this hook's deliveries in place of the common secret."""

    auth_id: Trimmed = ""
    """Tenant that the rooms of these calls belong to."""

    @field_validator("secret", mode="after")
    @classmethod
    def _trim(cls, secret: Secret | None) -> Secret | None:
        return None if secret is None else strip_secret(secret)


class Sip(Section):
    """Phone calls over SIP. Leave the section out and there are none."""

    room_prefix: Annotated[Text, Env("SIP_ROOM_PREFIX")] = Field(default="", examples=["sip-"])
    """Start of the names of rooms that calls open: letters, digits, `-` and `_`; always needed."""

    allowed_addresses: Annotated[
        tuple[Address, ...], Env("SIP_ALLOWED_ADDRESSES", form="commas")
    ] = Field(default=(), examples=['["192.0.2.0/24", "2001:db8::7"]'])
    """Addresses and ranges that calls may come from; always needed."""

    hooks: Annotated[tuple[SipHook, ...], Env("SIP_HOOKS_JSON", form="json")] = Field(
        default=(),
        examples=['[{"host": "tenant-a.example", "url": "https://hooks.example/sip"}]'],
    )
    """Who hears about the calls of which SIP domain."""

    hook_secret: Annotated[Secret | None, Env("SIP_HOOK_SECRET")] = None
    """Signs the deliveries of hooks that have no secret of their own; 16 bytes or more."""

    outbound_address: Annotated[Trimmed | None, Env("SIP_OUTBOUND_ADDRESS")] = Field(
        default=None, examples=["sip.carrier.example:5060"]
    )
    """Trunk that outgoing calls leave by, host or host:port."""

    outbound_auth_username: Annotated[Trimmed | None, Env("SIP_OUTBOUND_AUTH_USERNAME")] = None
    """User name for that trunk; needs the password."""

    outbound_auth_password: Annotated[Secret | None, Env("SIP_OUTBOUND_AUTH_PASSWORD")] = None
    """Password for that trunk; needs the user name."""

    @field_validator("hook_secret", "outbound_auth_password", mode="after")
    @classmethod
    def _trim(cls, secret: Secret | None) -> Secret | None:
        return None if secret is None else strip_secret(secret)

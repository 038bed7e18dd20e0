"""Who is asking."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller that was let in; with a `tenant` it owns rooms, without one it sees everything."""

    tenant: str | None = None


ANONYMOUS = Identity()
"""A caller of whom nothing is known: full, unscoped access."""


def identity_of(raw_id: str | None) -> Identity:
    """Trim the identifier that a credential stands for; a blank one is no identity."""
    tenant = raw_id.strip() if raw_id is not None else ""
    return Identity(tenant) if tenant else ANONYMOUS

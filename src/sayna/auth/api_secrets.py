"""Callers known by a shared secret from the settings."""

import hmac
from collections.abc import Sequence

from sayna.auth.access import AccessDenied, AccessRequest
from sayna.auth.identity import Identity, identity_of
from sayna.settings.tree import ApiSecret


class ApiSecrets:
    """Compares a token with every configured secret; the first that matches names the tenant."""

    reads_body = False

    def __init__(self, secrets: Sequence[ApiSecret]) -> None:
        self._known = [(entry.id, entry.secret.get_secret_value().encode()) for entry in secrets]

    async def identify(self, token: str, request: AccessRequest) -> Identity:
        """Return the tenant of the matching secret.

        Every secret is compared, in constant time, whichever matches: how long it takes says
        nothing about which one came close.

        Raises:
            AccessDenied: no secret matches.
        """
        del request
        given = token.encode()
        matching = [name for name, secret in self._known if hmac.compare_digest(secret, given)]
        if not matching:
            raise AccessDenied(401, "unauthorized", "Unauthorized: Invalid API secret")
        return identity_of(matching[0])

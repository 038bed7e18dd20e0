"""From the settings to the authenticator that is in force."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sayna.auth.access import AccessDenied, AccessRequest, Authenticator
from sayna.auth.api_secrets import ApiSecrets
from sayna.auth.identity import Identity
from sayna.auth.signing import SigningKey, load_signing_key
from sayna.settings.tree import Auth


class NoMethod:
    """Authentication is required, but nothing can tell callers apart: nobody gets in."""

    reads_body = False

    async def identify(self, token: str, request: AccessRequest) -> Identity:
        """Turn everybody away.

        Raises:
            AccessDenied: always.
        """
        del token, request
        raise AccessDenied(500, "config_error", "Authentication is required but not configured")


def check_signing_key(settings: Auth) -> SigningKey | None:
    """Load the signing key when authentication will need it, also when secrets take precedence.

    Raises:
        SettingsInvalid: the key cannot be used.
    """
    if settings.required and settings.service_url and settings.signing_key_path:
        return load_signing_key(settings.signing_key_path)
    return None


@asynccontextmanager
async def open_authenticator(settings: Auth) -> AsyncGenerator[Authenticator | None, None]:
    """Open what decides who gets in; None while authentication is off. Secrets win outright.

    Raises:
        SettingsInvalid: the signing key cannot be used.
    """
    key = check_signing_key(settings)
    if not settings.required:
        yield None
    elif settings.api_secrets:
        yield ApiSecrets(settings.api_secrets)
    elif key is not None:
        # PyJWT and aiohttp cost a third of the start: only those who delegate pay for them
        from sayna.auth.token_service import open_token_service

        async with open_token_service(settings, key) as service:
            yield service
    else:
        yield NoMethod()

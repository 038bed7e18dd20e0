from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import SecretStr

from sayna.auth.access import AccessDenied, AccessRequest
from sayna.auth.api_secrets import ApiSecrets
from sayna.auth.opening import check_signing_key, open_authenticator
from sayna.auth.token_service import TokenService
from sayna.errors import SettingsInvalid
from sayna.settings.tree import ApiSecret, Auth
from tests.auth.test_signing import PKCS8, PLAIN, RSA

SECRETS = (ApiSecret(id="a", secret=SecretStr("s")),)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(RSA.private_bytes(Encoding.PEM, PKCS8, PLAIN))
    return path


async def test_nothing_is_asked_while_authentication_is_off(tmp_path: Path) -> None:
    broken = Auth(api_secrets=SECRETS, service_url="http://a", signing_key_path=tmp_path)
    async with open_authenticator(broken) as authenticator:
        assert authenticator is None


async def test_secrets_win_over_the_service(key: Path) -> None:
    both = Auth(required=True, api_secrets=SECRETS, service_url="http://a", signing_key_path=key)
    async with open_authenticator(both) as authenticator:
        assert isinstance(authenticator, ApiSecrets)


async def test_the_service_is_asked_when_there_are_no_secrets(key: Path) -> None:
    delegated = Auth(required=True, service_url="http://a", signing_key_path=key)
    async with open_authenticator(delegated) as authenticator:
        assert isinstance(authenticator, TokenService)
        assert authenticator.reads_body


async def test_without_any_method_nobody_gets_in() -> None:
    async with open_authenticator(Auth(required=True)) as authenticator:
        assert authenticator is not None
        with pytest.raises(AccessDenied) as denied:
            await authenticator.identify("t", AccessRequest("GET", b"/voices"))
    assert (denied.value.status, denied.value.error) == (500, "config_error")


def test_a_bad_key_counts_even_when_secrets_win(tmp_path: Path) -> None:
    both = Auth(
        required=True, api_secrets=SECRETS, service_url="http://a", signing_key_path=tmp_path
    )
    with pytest.raises(SettingsInvalid):
        check_signing_key(both)

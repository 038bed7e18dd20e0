import pytest
from pydantic import SecretStr

from sayna.auth.access import AccessDenied, AccessRequest
from sayna.auth.api_secrets import ApiSecrets
from sayna.settings.tree import ApiSecret

REQUEST = AccessRequest("GET", b"/voices")


def secrets(**pairs: str) -> ApiSecrets:
    return ApiSecrets([ApiSecret(id=i, secret=SecretStr(text)) for i, text in pairs.items()])


async def test_a_secret_admits_its_tenant() -> None:
    known = secrets(a="sek-A", b=" sek b ", u="schlüssel")
    assert (await known.identify("sek-A", REQUEST)).tenant == "a"
    assert (await known.identify(" sek b ", REQUEST)).tenant == "b"
    assert (await known.identify("schlüssel", REQUEST)).tenant == "u"


async def test_secrets_do_not_need_the_body() -> None:
    assert secrets(a="x").reads_body is False


@pytest.mark.parametrize("token", ["sek-a", "sek-A ", "", "sek", "\ufffd"])
async def test_anything_else_is_refused_without_saying_what_was_wrong(token: str) -> None:
    with pytest.raises(AccessDenied, match="Invalid API secret") as denied:
        await secrets(a="sek-A").identify(token, REQUEST)
    assert (denied.value.status, denied.value.error) == (401, "unauthorized")

import pytest
from pydantic import SecretStr

from sayna.api.authentication import AccessDenied, AccessRequest, admit, is_public
from sayna.auth.identity import ANONYMOUS
from sayna.settings.tree import ApiSecret, Auth, Settings
from tests.api.asgi import open_client

PROTECTED = Settings(
    auth=Auth(required=True, api_secrets=(ApiSecret(id="tenant", secret=SecretStr("sek")),))
)
BEARER = [(b"authorization", b"Bearer sek")]


def test_only_pages_that_tell_nothing_about_callers_are_public() -> None:
    public = ["/", "/livekit/webhook", "/openapi.json", "/docs", "/docs/swagger-ui.css"]
    assert all(is_public(path) for path in public)
    assert not any(is_public(path) for path in ("/ws", "/voices", "/docsx", "//", "/nope", ""))


async def test_nobody_is_asked_while_authentication_is_off() -> None:
    async with open_client() as client:
        assert (await client.ask("GET", "/sip/hooks")).status == 200
        services = client.app.state.services
        assert await admit(services, AccessRequest("GET", b"/ws")) is ANONYMOUS


async def test_a_caller_without_a_credential_learns_nothing_but_that() -> None:
    async with open_client(PROTECTED) as client:
        for target in ("/sip/hooks", "/nope", "/livekit/rooms/%FF", "/ws"):
            answer = await client.ask("GET", target)
            assert answer.status == 401
            assert answer.json["error"] == "missing_auth_header"
            assert answer.json["message"]
        assert (await client.ask("POST", "/speak", b"nope")).status == 401


async def test_a_credential_opens_the_door_and_names_the_tenant() -> None:
    async with open_client(PROTECTED) as client:
        assert (await client.ask("GET", "/sip/hooks", headers=BEARER)).status == 200
        assert (await client.ask("GET", "/sip/hooks?api_key=sek")).status == 200
        assert (await client.ask("GET", "/")).status == 200
        request = AccessRequest("GET", b"/ws", b"token=sek")
        assert (await admit(client.app.state.services, request)).tenant == "tenant"
        with pytest.raises(AccessDenied):
            await admit(client.app.state.services, AccessRequest("GET", b"/ws", b"token=no"))


async def test_the_body_outlives_an_authenticator_that_reads_it() -> None:
    class Reader:
        reads_body = True
        seen = b""

        async def identify(self, token: str, request: AccessRequest) -> object:
            self.seen = request.body
            return ANONYMOUS

    reader = Reader()
    async with open_client(PROTECTED) as client:
        object.__setattr__(client.app.state.services, "authenticator", reader)
        answer = await client.ask("DELETE", "/sip/hooks", {"hosts": []}, headers=BEARER)
        assert answer.json == {"error": "No hosts provided to delete."}
        assert reader.seen == b'{"hosts": []}'
        too_much = [*BEARER, (b"content-length", b"3000000")]
        assert (await client.ask("POST", "/speak", b"x", headers=too_much)).status == 413

from starlette.requests import HTTPConnection

from sayna.api.services import IDENTITY_KEY, Drain, current_services, identity_of, services_of
from sayna.auth.identity import ANONYMOUS, Identity
from tests.api.asgi import open_client


async def test_a_scope_leads_to_the_services_of_its_application() -> None:
    async with open_client() as client:
        scope = {"type": "http", "app": client.app}
        services = services_of(scope)
        assert services is client.app.state.services
        assert await current_services(HTTPConnection(scope)) is services
        assert services.drain is client.app.state.drain


async def test_a_caller_is_anonymous_until_known() -> None:
    scope: dict[str, object] = {"type": "http"}
    assert identity_of(scope) is ANONYMOUS
    scope[IDENTITY_KEY] = Identity("t")
    assert identity_of(scope).tenant == "t"


def test_a_server_starts_out_not_draining() -> None:
    drain = Drain()
    assert not drain.draining.is_set()
    assert drain.sockets == set()


async def test_callers_share_what_was_said_only_within_a_tenant() -> None:
    async with open_client() as client:
        services = services_of({"type": "http", "app": client.app})
        assert services.memory_of(ANONYMOUS).tenant is None
        assert services.memory_of(Identity("t")).tenant == "t"
        assert services.memory_of(ANONYMOUS).cache is services.speech

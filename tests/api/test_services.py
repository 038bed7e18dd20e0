from starlette.requests import HTTPConnection

from sayna.api.services import IDENTITY_KEY, Drain, current_identity, current_services, services_of
from sayna.auth.identity import ANONYMOUS, Identity
from tests.api.asgi import open_client


async def test_a_scope_leads_to_the_services_of_its_application() -> None:
    async with open_client() as client:
        scope = {"type": "http", "app": client.app}
        services = services_of(scope)
        assert services is client.app.state.services
        assert current_services(HTTPConnection(scope)) is services
        assert services.drain is client.app.state.drain


def test_a_caller_is_anonymous_until_known() -> None:
    scope: dict[str, object] = {"type": "http"}
    assert current_identity(HTTPConnection(scope)) is ANONYMOUS
    scope[IDENTITY_KEY] = Identity("t")
    assert current_identity(HTTPConnection(scope)).tenant == "t"


def test_a_server_starts_out_not_draining() -> None:
    drain = Drain()
    assert not drain.draining.is_set()
    assert drain.sockets == set()

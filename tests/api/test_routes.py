from sayna.api.routes import ROUTES
from sayna.api.routing import JsonRoute

TABLE = {
    ("GET", "/"),
    ("GET", "/voices"),
    ("POST", "/speak"),
    ("POST", "/livekit/token"),
    ("GET", "/livekit/rooms"),
    ("GET", "/livekit/rooms/{room_name}"),
    ("DELETE", "/livekit/participant"),
    ("POST", "/livekit/participant/mute"),
    ("GET", "/recording/{stream_id}"),
    ("GET", "/sip/hooks"),
    ("POST", "/sip/hooks"),
    ("DELETE", "/sip/hooks"),
    ("POST", "/sip/transfer"),
    ("POST", "/sip/call"),
    ("POST", "/livekit/webhook"),
    ("GET", "/ws"),
}
PAGES = {("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/docs/{asset}")}


def test_the_public_api_is_complete_and_nothing_more() -> None:
    ours = {(method, route.path) for route in ROUTES for method in route.methods or ()}
    assert ours == TABLE | PAGES


def test_every_route_reads_paths_and_bodies_by_our_rules() -> None:
    assert all(isinstance(route, JsonRoute) for route in ROUTES)

from tests.api.asgi import open_client
from tests.api.test_rooms import CONFIGURED


async def test_livekit_is_asked_to_come_back_later() -> None:
    for settings in (None, CONFIGURED):
        async with open_client(settings) as client:
            answer = await client.ask("POST", "/livekit/webhook", b"anything at all")
        assert answer.status == 503
        assert answer.json["error"]


async def test_an_event_that_is_too_large_is_refused_first() -> None:
    async with open_client() as client:
        large = [(b"content-length", b"2097153")]
        assert (await client.ask("POST", "/livekit/webhook", b"x", headers=large)).status == 413

import asyncio
import re

from structlog.testing import capture_logs

from sayna.api.request_log import MAX_LOGGED_CHARS
from tests.api.asgi import open_client
from tests.fakes.scripted import ScriptedProvider
from tests.fakes.session import until


async def test_a_sane_request_id_is_echoed_and_any_other_replaced() -> None:
    async with open_client() as client:
        for given, kept in ((b"r-1", True), (b"a" * 129, False), (b"a b", False), (b"", False)):
            answer = await client.ask("GET", "/", headers=[(b"x-request-id", given)])
            told = answer.headers["x-request-id"]
            assert (told == given.decode()) is kept
            assert kept or re.fullmatch(r"[0-9a-f]{32}", told)


async def test_each_request_is_one_line_without_its_query() -> None:
    with capture_logs() as lines:
        async with open_client() as client:
            await client.ask("GET", "/sip/hooks?api_key=secret")
            await client.ask("GET", "/")
            await client.ask("GET", "/" + "a" * 70_000)
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["path"], line["log_level"]) for line in requests[:2]] == [
        ("/sip/hooks", "info"),
        ("/", "debug"),
    ]
    assert requests[0]["status"] == 200
    assert len(requests[2]["path"]) == MAX_LOGGED_CHARS
    assert "secret" not in str(lines)


async def test_a_request_cut_short_by_the_end_is_told_so() -> None:
    provider = ScriptedProvider()
    provider.speak_gate = asyncio.Event()
    with capture_logs() as lines:
        async with open_client(providers=[provider]) as client:
            body = {"text": "a", "tts_config": {"provider": "scripted"}}
            asking = asyncio.create_task(client.ask("POST", "/speak", body))
            await until(lambda: provider.synthesizers)
            client.app.state.drain.draining.set()
            asking.cancel()
            answer = await asking
    assert (answer.status, answer.json) == (503, {"error": "Server is stopping"})
    assert "request_cut_short" in [line["event"] for line in lines]


async def test_an_accident_is_answered_without_details_and_logged_with_them() -> None:
    with capture_logs() as lines:
        async with open_client() as client:
            client.app.state.services = None
            answer = await client.ask("GET", "/sip/hooks")
    assert (answer.status, answer.json) == (500, {"error": "Internal server error"})
    assert any(line["event"] == "request_crashed" and line["exc_info"] for line in lines)

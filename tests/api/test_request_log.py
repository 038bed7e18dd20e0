import re

from structlog.testing import capture_logs

from tests.api.asgi import open_client


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
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["path"], line["log_level"]) for line in requests] == [
        ("/sip/hooks", "info"),
        ("/", "debug"),
    ]
    assert requests[0]["status"] == 200
    assert "secret" not in str(lines)


async def test_an_accident_is_answered_without_details_and_logged_with_them() -> None:
    with capture_logs() as lines:
        async with open_client() as client:
            client.app.state.services = None
            answer = await client.ask("GET", "/sip/hooks")
    assert (answer.status, answer.json) == (500, {"error": "Internal server error"})
    assert any(line["event"] == "request_crashed" and line["exc_info"] for line in lines)

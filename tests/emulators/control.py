"""The control API that every emulator has beside the vendor's own paths.

POST /_ctl/rules    add a rule: {"match": {…}, "action": {"do": …}, "times": 1}
GET  /_ctl/log      what was recorded
POST /_ctl/reset    forget rules, records and expired keys
GET  /_ctl/stats    open sockets, bytes, peak concurrency
"""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.emulators.recorder import Recorder
from tests.emulators.rules import Rules, parse_rule

PREFIX = "/_ctl/"


async def control(
    request: web.Request,
    *,
    rules: Rules,
    recorder: Recorder,
    figures: Callable[[], dict[str, Any]],
    reset: Callable[[], None],
) -> web.Response:
    """Answer a request to the control API."""
    match request.method, request.path.removeprefix(PREFIX):
        case "POST", "rules":
            return _add_rule(rules, await request.read())
        case "GET", "log":
            return web.json_response([record.as_dict for record in recorder.all])
        case "POST", "reset":
            reset()
            return web.Response(status=204)
        case "GET", "stats":
            return web.json_response(figures())
        case _:
            return web.json_response({"error": "no such control"}, status=404)


def _add_rule(rules: Rules, body: bytes) -> web.Response:
    try:
        rules.put(parse_rule(body))
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.Response(status=204)

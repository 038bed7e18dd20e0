"""The server itself: is it there, what does it speak, and where `/ws` is for plain requests."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sayna.api.answers import answers
from sayna.api.errors import JsonAnswer, RequestRejected
from sayna.api.routing import ASKED_METHOD_KEY, JsonRoute

router = APIRouter(route_class=JsonRoute)

ASSETS_PACKAGE = "fastapi_offline"
ASSETS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon.png": "image/png",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sayna API</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="document"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({url: "openapi.json", dom_id: "#document", deepLinking: true});
</script>
</body>
</html>
"""


class Health(BaseModel):
    """The server answers."""

    status: str = Field(examples=["OK"])


@router.get("/", tags=["health"], summary="Is the server up", response_model=Health)
async def tell_health() -> Response:
    """Answer at once, without a credential and without asking anybody else."""
    return JsonAnswer({"status": "OK"})


@router.get("/openapi.json", include_in_schema=False)
async def show_document(request: Request) -> Response:
    """Serve the OpenAPI document of this server."""
    app: Any = request.app
    return JsonAnswer(app.openapi())


@router.get("/docs", include_in_schema=False)
async def show_docs() -> Response:
    """Serve the document for humans; nothing is loaded from elsewhere."""
    return HTMLResponse(PAGE)


@router.get("/docs/{asset}", include_in_schema=False)
async def show_asset(asset: str) -> Response:
    """Serve a file that the page for humans needs."""
    if asset not in ASSETS:
        raise RequestRejected(404, "Not Found")
    content = await run_in_threadpool(_read_asset, asset)
    return Response(content, media_type=ASSETS[asset], headers={"cache-control": "max-age=86400"})


def _read_asset(name: str) -> bytes:
    return Path(str(files(ASSETS_PACKAGE))).joinpath("static", name).read_bytes()


@router.get(
    "/ws",
    tags=["websocket"],
    summary="Open a conversation",
    status_code=101,
    responses={
        101: {"description": "The connection is a WebSocket now"},
        **answers(
            s400="Not a WebSocket handshake",
            s426="A handshake that cannot be taken up on this connection",
        ),
    },
)
async def refuse_plain_request(request: Request) -> Response:
    """Upgrade to a WebSocket (RFC 6455, version 13) and talk in JSON texts and binary audio.

    A client sends `WsCommand` texts and its audio as binary messages; it gets `WsEvent` texts and
    the synthesized audio as binary messages.

    The credential may come as `Authorization: Bearer`, `?api_key=` or `?token=`.
    """
    if ASKED_METHOD_KEY in request.scope:  # a HEAD: there is nothing to look at without upgrading
        raise RequestRejected(405, "Method Not Allowed", {"Allow": "GET,HEAD"})
    headers = request.headers
    if "upgrade" not in _tokens(headers.get("connection", "")):
        raise RequestRejected(400, "Connection header did not include 'upgrade'")
    if headers.get("upgrade", "").strip().lower() != "websocket":
        raise RequestRejected(400, "`Upgrade` header did not include 'websocket'")
    if headers.get("sec-websocket-version", "").strip() != "13":
        raise RequestRejected(400, "`Sec-WebSocket-Version` header did not include '13'")
    if "sec-websocket-key" not in headers:
        raise RequestRejected(400, "`Sec-WebSocket-Key` header missing")
    raise RequestRejected(426, "This connection cannot be upgraded")


def _tokens(header: str) -> set[str]:
    return {token.strip().lower() for token in header.split(",")}

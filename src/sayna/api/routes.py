"""All routes of the server, in the order of the document."""

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sayna.api import calls, hooks, pages, participants, recordings, rooms, speak, voices, webhooks
from sayna.api.errors import RequestRejected, render_error
from sayna.api.routing import allowed_methods
from sayna.errors import SaynaError

ROUTERS = tuple(
    module.router
    for module in (
        pages,
        voices,
        speak,
        rooms,
        participants,
        recordings,
        hooks,
        calls,
        webhooks,
    )
)
ROUTES = tuple(
    route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)
)


def add_routes(app: FastAPI) -> None:
    """Give an application every route, and our words for what none of them answers."""
    app.router.routes.extend(ROUTES)
    app.add_exception_handler(SaynaError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_stray)


async def _answer_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, SaynaError):
        raise error
    return render_error(error, request.scope["path"])


async def _answer_stray(request: Request, error: Exception) -> Response:
    """Answer 404 and 405; the latter with all methods that the path has, whichever route."""
    if not isinstance(error, HTTPException):
        raise error
    path: str = request.scope["path"]
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers = {"Allow": allowed_methods(ROUTES, path)}
    return render_error(RequestRejected(error.status_code, error.detail, headers), path)

"""The OpenAPI document: what the framework knows of the routes, and what it cannot know."""

from typing import Any, cast

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from sayna import __version__
from sayna.api.answers import AccessProblem
from sayna.api.authentication import is_public
from sayna.api.event_messages import Message
from sayna.api.messages import Command
from sayna.api.routes import add_routes

TITLE = "Sayna API"
SUMMARY = "Speech to text and text to speech behind one server."
DESCRIPTION = """\
Errors are JSON: `{"error": text}`, on some routes with a `code` for programs, and
`{"error": code, "message": text}` when the caller was not let in. `GET` routes answer `HEAD` too.
Every answer carries `x-request-id`; send your own to find a request in the server's log.
"""
TAGS = [
    {"name": "health", "description": "Is the server up."},
    {"name": "voices", "description": "What may be passed as `voice_id`."},
    {"name": "tts", "description": "Text to speech in one request."},
    {"name": "livekit", "description": "Rooms, their participants and their events."},
    {"name": "recordings", "description": "Conversations to keep."},
    {"name": "sip", "description": "Phone calls and who hears about them."},
    {"name": "websocket", "description": "Conversations: speech both ways over one socket."},
]
SCHEME = "auth"
ACCESS_DENIED = {
    "401": "No credential, or a wrong one",
    "502": "The auth service answered with an error",
    "503": "The auth service does not answer",
}


def build_document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of an application, as plain JSON values."""
    document = get_openapi(
        title=TITLE,
        version=__version__,
        summary=SUMMARY,
        description=DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
    )
    components = cast("dict[str, Any]", document.setdefault("components", {}))
    schemas = cast("dict[str, Any]", components.setdefault("schemas", {}))
    schemas[AccessProblem.__name__] = AccessProblem.model_json_schema()
    schemas |= socket_schemas()
    for unused in ("HTTPValidationError", "ValidationError"):  # the framework's own, not ours
        schemas.pop(unused, None)
    components["securitySchemes"] = {
        SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "Token",
            "description": "Asked for when the server has authentication switched on. "
            "`?api_key=TOKEN` does as well.",
        }
    }
    for path, operations in cast("dict[str, dict[str, Any]]", document["paths"]).items():
        for operation in operations.values():
            _complete(operation, protected=not is_public(path))
    return document


def socket_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON schema of every message of `/ws`, by name, for the components of the OpenAPI.

    Names start with `Ws`, because REST has a `TtsConfig` of its own. `WsCommand` is what a client
    may send as text, `WsEvent` what it may get.
    """
    (commands, events), components = msgspec.json.schema_components(
        [Command, Message], ref_template="#/components/schemas/Ws{name}"
    )
    prefixed = {f"Ws{name}": schema for name, schema in components.items()}
    return {**prefixed, "WsCommand": commands, "WsEvent": events}


def _complete(operation: dict[str, Any], *, protected: bool) -> None:
    """Add to one operation what every operation of its kind has."""
    responses = cast("dict[str, Any]", operation["responses"])
    if _is_frameworks_own(responses.get("422")):
        del responses["422"]
    if not protected:
        operation["security"] = []
        return
    operation["security"] = [{SCHEME: []}, {}]
    denied = {"$ref": f"#/components/schemas/{AccessProblem.__name__}"}
    for status, text in ACCESS_DENIED.items():
        own = responses.get(status)
        if own is None:
            content = {"application/json": {"schema": denied}}
            responses[status] = {"description": text, "content": content}
            continue
        schema = own["content"]["application/json"]["schema"]
        own["description"] += f". {text}"
        own["content"]["application/json"]["schema"] = {"anyOf": [schema, denied]}
    operation["responses"] = dict(sorted(responses.items()))


def _is_frameworks_own(response: Any) -> bool:  # noqa: ANN401 - any JSON value
    return "HTTPValidationError" in str(response)


def document() -> dict[str, Any]:
    """Return the document without a server, for the command line."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    add_routes(app)
    return build_document(app)

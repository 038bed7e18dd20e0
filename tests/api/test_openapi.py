import json
import re
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it brings no types
import pytest
from openapi_spec_validator import validate

from sayna.api.event_messages import render_event
from sayna.api.openapi import TITLE, document
from sayna.api.routes import ROUTES
from sayna.app import create_app
from sayna.session.events import Ready
from sayna.settings.tree import Settings
from sayna.speech.events import Transcript
from tests.api.served import CONFIG_TEXT

DOCUMENT = document()
OPERATIONS = [
    (method, path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
OPEN = {"/", "/livekit/webhook"}


def test_the_document_is_valid_openapi_31() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert DOCUMENT["info"]["title"] == TITLE == "Sayna API"
    validate(DOCUMENT)


def test_the_document_has_every_route_and_no_other() -> None:
    routes = {
        (method.lower(), route.path)
        for route in ROUTES
        if route.include_in_schema
        for method in route.methods or ()
    }
    assert {(method, path) for method, path, _ in OPERATIONS} == routes


def test_a_running_application_has_the_same_document() -> None:
    assert create_app(Settings()).openapi() == DOCUMENT


def test_tokens_are_described_as_bearer_tokens() -> None:
    scheme = DOCUMENT["components"]["securitySchemes"]["auth"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert scheme["bearerFormat"] == "Token"


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_every_operation_is_described_whole(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    del method
    assert operation["summary"]
    assert operation["description"]
    assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}
    assert operation["security"] == ([] if path in OPEN else [{"auth": []}, {}])
    assert ("401" in operation["responses"]) is (path not in OPEN)
    assert "HTTPValidationError" not in str(operation)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_a_json_body_comes_with_its_refusals(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    del method, path
    content = operation.get("requestBody", {}).get("content", {})
    refusals = {"400", "413", "415", "422"}
    assert (refusals <= set(operation["responses"])) is ("application/json" in content)


def test_every_field_of_a_body_has_an_example_or_a_reason_for_none() -> None:
    for name in ("TokenRequest", "CallRequest", "TransferRequest", "HookEntry", "MuteRequest"):
        properties = DOCUMENT["components"]["schemas"][name]["properties"]
        lacking = [
            key for key, field in properties.items() if not {"examples", "anyOf"} & set(field)
        ]
        assert lacking == []


def test_messages_of_the_socket_are_among_the_schemas() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert {"WsCommand", "WsEvent", "WsConfig"} <= set(schemas)
    for name in re.findall(r"#/components/schemas/(\w+)", json.dumps(DOCUMENT)):
        assert name in schemas


def test_the_schemas_of_the_socket_accept_what_is_read_and_written() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    store = {"components": {"schemas": schemas}}
    commands = jsonschema.Draft202012Validator({**schemas["WsCommand"], **store})
    messages = jsonschema.Draft202012Validator({**schemas["WsEvent"], **store})
    commands.validate(json.loads(CONFIG_TEXT))
    commands.validate({"type": "clear"})
    messages.validate(json.loads(render_event(Ready("s", "u"))))
    messages.validate(json.loads(render_event(Transcript("a"))))
    assert not commands.is_valid({"type": "foo"})
    assert not commands.is_valid({"type": "speak"})

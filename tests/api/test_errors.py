import importlib
import json
import pkgutil
from collections.abc import Iterator

import pytest

import sayna
from sayna.api.errors import STATUS, RequestRejected, render_error, status_of
from sayna.auth.access import AccessDenied
from sayna.errors import (
    ConnectionFailed,
    FeatureMissing,
    InvalidRequest,
    RoomsNotConfigured,
    SaynaError,
    StorageNotConfigured,
)

ELSEWHERE = {"AccessDenied", "RequestRejected", "CannotListen", "DownloadFailed"}
"""The first two bring their status along; the others never meet a client of the server."""


def family(kind: type[SaynaError]) -> Iterator[type[SaynaError]]:
    for child in kind.__subclasses__():
        yield child
        yield from family(child)


def test_no_error_of_ours_lacks_a_status() -> None:
    for module in pkgutil.walk_packages(sayna.__path__, "sayna."):
        if not module.name.endswith("__main__") and "worker" not in module.name:
            importlib.import_module(module.name)
    ours = [kind for kind in family(SaynaError) if kind.__module__.startswith("sayna.")]
    assert len(ours) > 15
    forgotten = [
        kind.__name__
        for kind in ours
        if kind.__name__ not in ELSEWHERE and not any(parent in STATUS for parent in kind.__mro__)
    ]
    assert forgotten == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidRequest("a"), 400),
        (RoomsNotConfigured(), 500),
        (StorageNotConfigured("a"), 503),
        (FeatureMissing("a"), 503),
        (ConnectionFailed("a"), 500),
        (AccessDenied(502, "a", "b"), 502),
        (RequestRejected(415, "a"), 415),
    ],
)
def test_the_nearest_listed_ancestor_decides(error: SaynaError, status: int) -> None:
    assert status_of(error) == status


def test_an_error_takes_the_shape_of_its_route() -> None:
    error = RoomsNotConfigured()
    plain = render_error(error, "/livekit/rooms").body
    coded = render_error(error, "/sip/call").body
    access = render_error(AccessDenied(401, "unauthorized", "no"), "/sip/call").body
    stray = render_error(RequestRejected(422, "no"), "/sip/call").body
    text = "LiveKit service not configured"
    assert json.loads(bytes(plain)) == {"error": text}
    assert json.loads(bytes(coded)) == {"error": text, "code": "LIVEKIT_NOT_CONFIGURED"}
    assert json.loads(bytes(access)) == {"error": "unauthorized", "message": "no"}
    assert json.loads(bytes(stray)) == {"error": "no"}

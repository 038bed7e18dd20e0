"""Whatever the document allows is answered, and with an answer that the document knows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from sayna.api.openapi import document
from tests.contract.runner import ServerProcess, start_server
from tests.fakes.livekit import KEY, SECRET, FakeLiveKit, serving

pytestmark = pytest.mark.slow

SCHEMA = schemathesis.openapi.from_dict(document())
ENVIRONMENTS: Mapping[str, Mapping[str, str]] = {
    "open": {},
    "protected": {"AUTH_REQUIRED": "true", "AUTH_API_SECRET": "sek"},
    "stocked": {
        "CACHE_PATH": "<tmp>/cache",
        "LIVEKIT_URL": "ws://127.0.0.1:<livekit>",
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
    },
}
CREDENTIALS: Sequence[Mapping[str, str]] = ({}, {"Authorization": "Bearer sek"})
EXAMPLES = 10
KNOWN_FAILURES = (
    "not configured",
    "no cache path",
    "missing server auth",
    "not part of this version",
    "failed to create tts provider",
    "tts synthesis error",
)
"""What a 5xx says when nothing went wrong inside."""


@pytest.fixture(scope="module", params=list(ENVIRONMENTS))
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("fuzz")
    with serving(FakeLiveKit()) as port:
        running = start_server({"env": ENVIRONMENTS[request.param]}, folder, {"livekit": port})
        try:
            yield running
            assert running.process.poll() is None, "the server must live through all of it"
        finally:
            running.stop()


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_request_is_too_strange_for_an_answer(
    case: schemathesis.Case[Any], server: ServerProcess
) -> None:
    for headers in CREDENTIALS:
        answer = case.call(base_url=f"http://127.0.0.1:{server.port}", headers=dict(headers))
        known = set(case.operation.definition.raw["responses"]) | {"404", "405"}
        assert str(answer.status_code) in known, answer.content
        if answer.status_code >= 500:
            told = answer.content.decode().lower()
            assert any(words in told for words in KNOWN_FAILURES), told

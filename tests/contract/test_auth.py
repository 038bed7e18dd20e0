"""Authentication as the original was seen to do it, row by row, against a real server process."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.contract.auth_service import AuthService, Question, open_auth_service
from tests.contract.runner import (
    Answer,
    Row,
    Servers,
    StartRefused,
    compare,
    load_recording,
    open_servers,
    send,
)

RECORDING = load_recording("auth")
EXCEPTIONS = {
    "service.403-long-utf8": "a 403 of the service is our 401, wherever its body is cut",
    "routes.head-with": "the provider `local` has voices, so the length is not that of `{}`",
}
"""Rows that do not hold to the letter on purpose; each has a test below."""
UNSPOKEN = {"host", "content-length", "connection"}
"""Headers to the service that any client sends."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def service() -> Iterator[AuthService]:
    with open_auth_service() as running:
        yield running


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, service: AuthService) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("auth")
    with open_servers(RECORDING, folder, {"auth": service.port}) as running:
        yield running


@pytest.mark.parametrize(
    "row", [r for r in RECORDING.rows if r["id"] not in EXCEPTIONS], ids=lambda row: row["id"]
)
def test_a_recorded_request_is_admitted_or_not_as_it_should_be(
    row: Row, servers: Servers, service: AuthService
) -> None:
    service.reset(row.get("service_answer"))
    if "startup" in row.get("expect", {}):
        assert_start_is_refused(row["env"], servers)
        return
    answer = send(row["request"], servers.get(row["env"]).port)
    compare(row, answer)
    compare_questions(row, service)


def assert_start_is_refused(environment: str, servers: Servers) -> None:
    with pytest.raises(StartRefused) as refused:
        servers.get(environment)
    assert refused.value.status == 1
    assert "Traceback" not in refused.value.said


def compare_questions(row: Row, service: AuthService) -> None:
    """Hold what the service was asked against the recording."""
    wanted = row.get("expect", {}).get("service_got", row.get("service_got"))
    if row["ours"] == "differs" and wanted:
        wanted = wanted[:1]  # the original followed redirects
    if wanted is not None:
        assert len(service.questions) == len(wanted)
        key = verification_key(row["env"]) if wanted else None
        for question, recorded in zip(service.questions, wanted, strict=True):
            compare_question(question, recorded, key)
    elif "service_requests" in row:
        assert len(service.questions) == row["service_requests"]


def verification_key(environment: str) -> PublicKeyTypes:
    pem = RECORDING.environments[environment]["files"]["key.pem"]
    return load_pem_private_key(pem.encode(), None).public_key()


def compare_question(
    question: Question, recorded: Mapping[str, Any], key: PublicKeyTypes | None
) -> None:
    assert (question.method, question.path) == (recorded["method"], recorded["path"])
    spoken = sorted(entry for entry in question.headers if entry[0] not in UNSPOKEN)
    assert spoken == sorted(tuple(entry) for entry in recorded["headers"])
    header, claims = question.claims(key)
    assert header == recorded["jwt_header"]
    assert list(claims) == recorded["claims_key_order"]
    assert claims["sub"] == recorded["claims"]["sub"]
    assert claims["exp"] == claims["iat"] + 300
    assert claims["auth_data"] == recorded["claims"]["auth_data"]


def test_a_long_refusal_is_cut_between_two_characters(
    servers: Servers, service: AuthService
) -> None:
    row = next(r for r in RECORDING.rows if r["id"] == "service.403-long-utf8")
    service.reset(row["service_answer"])
    answer = send(row["request"], servers.get("delegated").port)
    assert answer.status == 401
    assert answer.json["error"] == "auth_service_error"
    assert answer.json["message"].endswith("ü... (truncated)")


def test_the_head_of_the_voices_has_the_length_of_the_voices(servers: Servers) -> None:
    port = servers.get("secrets").port
    headers = [("authorization", "Bearer sek-A")]
    answers: list[Answer] = [
        send({"method": method, "path": "/voices", "headers": headers}, port)
        for method in ("HEAD", "GET")
    ]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].header("content-length") == str(len(answers[1].body))

"""REST as the original was seen to speak it, row by row, against a real server process."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from tests.contract.runner import (
    Answer,
    Row,
    Servers,
    compare,
    contains,
    load_recording,
    open_servers,
    send,
    start_server,
)
from tests.fakes.livekit import KEY, SECRET, FakeLiveKit, serving

ALLOWED = {"SIP_ALLOWED_ADDRESSES": "192.0.2.0/24"}
"""The original starts with half a SIP section; we ask for the rest of it."""
LONGER = {"LIVEKIT_API_SECRET": SECRET}
"""As long as its algorithm asks for, which the recorded one is not."""
WITH_ROOMS = ("tenants", "no-tenants", "ws-scheme")
RECORDING = load_recording(
    "rest",
    completed=dict.fromkeys(("sip-no-livekit", "sip-prefix-only", "wh-sip-no-lk"), ALLOWED)
    | dict.fromkeys((*WITH_ROOMS, "livekit-down"), LONGER),
)
EXCEPTIONS = {
    "path./openapi.json": "the document is served, which the original does not do",
    "path./docs": "the document is served for humans, which the original does not do",
    "method.head-voices": "the provider `local` has voices, so the length is not that of `{}`",
}
"""Rows that do not hold on purpose; each has a test of its own below."""
WITH_VENDOR = {"deepgram", "deepgram-cache"}
"""Environments of `test_rest_vendor`."""
REFUSED_HOSTS = {"h2.example", "h3.example", "h4.example", "h5.example", ""}
"""Hooks that the original stores and we refuse: not compared afterwards."""

SIX_HOURS_S = 21_600
GRANTS = {
    "roomJoin": True,
    "canPublish": True,
    "canSubscribe": True,
    "canPublishData": True,
    "canUpdateOwnMetadata": True,
}
"""Fewer than the original gives; a grant that is left out is not given."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def livekit() -> FakeLiveKit:
    return FakeLiveKit()


@pytest.fixture(scope="module")
def servers(livekit: FakeLiveKit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with (
        serving(livekit) as port,
        open_servers(RECORDING, tmp_path_factory.mktemp("rest"), {"livekit": port}) as running,
    ):
        yield running


@pytest.mark.parametrize(
    "row",
    [r for r in RECORDING.rows if r["id"] not in EXCEPTIONS and r["env"] not in WITH_VENDOR],
    ids=lambda row: row["id"],
)
def test_a_recorded_request_is_answered_as_it_should_be(
    row: Row, servers: Servers, livekit: FakeLiveKit
) -> None:
    server = servers.get(row["env"])
    prepare_file(row, server.folder)
    lay_out(row, livekit)
    answer = send(row["request"], server.port)
    compare(without_token(without_refused_hooks(row)), answer)
    compare_token(row, answer)
    compare_rooms(row, livekit)
    if "file_after" in row and answer.status == 200:
        compare_file(row["file_after"], server.folder / "cache/sip_hooks.json")


def lay_out(row: Row, livekit: FakeLiveKit) -> None:
    """Give LiveKit the rooms and the troubles of a row."""
    livekit.lay_out(row.get("livekit_before"), row.get("livekit_fails"))
    recorded = row["answer"].get("json") or {}
    if recorded.get("active_recording"):  # the rows tell of it in their answers alone
        livekit.rooms[recorded["name"]].active_recording = True


def without_token(row: Row) -> Row:
    """Take the token out of what must be equal: it is another one each time."""
    recorded = row["answer"].get("json") or {}
    rest = {key: value for key, value in recorded.items() if key != "token"}
    return {**row, "answer": {**row["answer"], "json": rest}} if rest else row


def compare_token(row: Row, answer: Answer) -> None:
    """Hold a token, and what comes with it, against the claims that participants get here."""
    recorded = row["answer"].get("json") or {}
    if "token" not in recorded:
        return
    token = answer.json["token"]
    assert answer.json == recorded | {"token": token}
    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": "HS256"}
    claims = jwt.decode(token, SECRET, ["HS256"], issuer=KEY)
    assert claims["exp"] - claims["nbf"] in (SIX_HOURS_S, SIX_HOURS_S + 1)  # two looks at a clock
    asked = json.loads(row["request"]["body"])
    assert claims["sub"] == asked["participant_identity"]
    assert claims["name"] == asked["participant_name"]
    assert claims["video"] == GRANTS | {"room": asked["room_name"]}
    assert not claims.get("sip")


def compare_rooms(row: Row, livekit: FakeLiveKit) -> None:
    """Hold what LiveKit was asked, and what is written on its rooms now, against the recording."""
    if "rooms_after" in row:
        written = {name: room.metadata for name, room in livekit.rooms.items()}
        assert written == row["rooms_after"]
    if row["ours"] != "differs" and "livekit_requests" in row:
        recorded = [(one["method"], one["message"]) for one in row["livekit_requests"]]
        assert all((asked.method, asked.fields) in recorded for asked in livekit.asked)
        assert bool(livekit.asked) is bool(recorded)


def compare_file(recorded: str, path: Path) -> None:
    """Hold the file of hooks against the recorded one: the same hooks, pretty-printed."""
    ours = path.read_text(encoding="utf-8")
    if not recorded.startswith("["):
        assert ours == recorded
        return
    wanted = [hook for hook in json.loads(recorded) if hook["host"] not in REFUSED_HOSTS]
    assert contains(json.loads(ours), wanted)
    assert ours.count("\n") >= len(wanted)


def prepare_file(row: Row, folder: Path) -> None:
    """Break the hooks file where the recording did, right before the row that looks at it."""
    if row["id"] == "hooks.hooks-full-corrupt-file-get":
        (folder / "cache/sip_hooks.json").write_text(row["file_after"], encoding="utf-8")


def without_refused_hooks(row: Row) -> Row:
    """Leave the hooks out of a row that only the original would have stored."""
    recorded = row["answer"].get("json")
    if row["group"] != "hooks" or not recorded or "hooks" not in recorded:
        return row
    kept = [hook for hook in recorded["hooks"] if hook["host"] not in REFUSED_HOSTS]
    return {**row, "answer": {**row["answer"], "json": {"hooks": kept}}}


def test_the_document_is_served(servers: Servers) -> None:
    port = servers.get("plain").port
    document = send({"method": "GET", "path": "/openapi.json"}, port)
    assert document.status == 200
    assert document.json["info"]["title"] == "Sayna API"
    page = send({"method": "GET", "path": "/docs"}, port)
    assert page.status == 200
    assert b"openapi.json" in page.body


def test_the_head_of_the_voices_has_the_length_of_the_voices(servers: Servers) -> None:
    port = servers.get("plain").port
    head = send({"method": "HEAD", "path": "/voices"}, port)
    voices = send({"method": "GET", "path": "/voices"}, port)
    assert head.status == voices.status == 200
    assert head.header("content-length") == str(len(voices.body))


def test_a_server_that_is_told_to_stop_ends_well(tmp_path: Path) -> None:
    server = start_server({}, tmp_path, {})
    assert send({"method": "GET", "path": "/"}, server.port).status == 200
    assert server.stop() == 0


def test_a_port_that_is_taken_is_one_line_and_status_one(tmp_path: Path) -> None:
    server = start_server({}, tmp_path, {})
    try:
        command = [sys.executable, "-m", "sayna", "serve", "--host", "127.0.0.1"]
        second = subprocess.run(  # noqa: S603 - our own command
            [*command, "--port", str(server.port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            cwd=tmp_path,
        )
    finally:
        server.stop()
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{server.port}" in second.stderr
    assert "Traceback" not in second.stderr


def test_every_exception_is_a_row() -> None:
    assert set(EXCEPTIONS) <= {row["id"] for row in RECORDING.rows}


def test_comparison_sees_missing_and_wrong_values() -> None:
    assert contains({"a": 1, "b": [1, 2]}, {"b": [2, 1]})
    assert not contains({"a": 1}, {"a": 2})
    assert not contains({"a": 1}, {"a": True})
    assert not contains({"a": [1]}, {"a": [1, 2]})

import subprocess
import sys

import jwt
import pytest
from pydantic import SecretStr

from sayna.auth.identity import ANONYMOUS
from sayna.rooms.opening import open_rooms
from sayna.settings.tree import LiveKit
from tests.fakes.livekit import KEY, SECRET, FakeLiveKit, serving


@pytest.mark.parametrize(
    "livekit",
    [LiveKit(), LiveKit(api_key=SecretStr("k")), LiveKit(api_secret=SecretStr("s"))],
)
async def test_without_key_and_secret_there_are_no_rooms(livekit: LiveKit) -> None:
    async with open_rooms(livekit) as rooms:
        assert rooms is None


async def test_the_parts_work_with_what_the_settings_say() -> None:
    livekit = FakeLiveKit()
    with serving(livekit) as port:
        settings = LiveKit(
            url=f"ws://127.0.0.1:{port}",
            api_key=SecretStr(KEY),
            api_secret=SecretStr(SECRET),
            legacy_grants=True,
            agent_kind="agent",
        )
        async with open_rooms(settings) as rooms:
            assert rooms is not None
            await rooms.ownership.claim("demo", "t1")
            room, present = await rooms.participants.look_into("demo", ANONYMOUS)
            assert (room.metadata, present) == ('{"auth_id":"t1"}', [])
            ours = rooms.tokens.for_agent("demo", "sayna-ai", "Sayna AI", publishes=True)
            theirs = rooms.tokens.for_participant("demo", "u-1", "Ann")
    assert jwt.decode(ours, SECRET, ["HS256"])["kind"] == "agent"
    assert jwt.decode(theirs, SECRET, ["HS256"])["video"]["roomList"] is True


@pytest.mark.slow
def test_a_server_without_rooms_does_not_pay_for_the_sdk() -> None:
    program = "import sys, sayna.app; sys.exit('livekit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603 - our own words

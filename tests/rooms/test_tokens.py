from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from sayna.errors import TokenFailed
from sayna.rooms.tokens import Tokens

SECRET = "a-secret-of-32-bytes-0123456789ab"  # noqa: S105 - of this test
SIX_HOURS_S = 21_600
JOINS = {
    "room": "demo",
    "roomJoin": True,
    "canPublish": True,
    "canSubscribe": True,
    "canPublishData": True,
    "canUpdateOwnMetadata": True,
}
ALL_ROOMS = {"roomCreate": True, "roomList": True, "roomRecord": True}


def tokens(*, legacy_grants: bool = False, agent: bool = False, secret: str = SECRET) -> Tokens:
    return Tokens(SecretStr("key"), SecretStr(secret), legacy_grants, agent)


def claims_of(token: str) -> dict[str, Any]:
    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": "HS256"}
    claims: dict[str, Any] = jwt.decode(token, SECRET, ["HS256"], issuer="key")
    return claims


def test_a_participant_may_use_one_room_and_no_more() -> None:
    claims = claims_of(tokens().for_participant("demo", "u-1", "Ann"))
    assert claims["video"] == JOINS
    assert (claims["sub"], claims["name"], claims["iss"]) == ("u-1", "Ann", "key")
    assert claims["exp"] - claims["nbf"] in (SIX_HOURS_S, SIX_HOURS_S + 1)
    assert not {"sip", "kind", "metadata", "attributes"} & set(claims)


def test_legacy_grants_let_participants_at_all_rooms() -> None:
    claims = claims_of(tokens(legacy_grants=True).for_participant("demo", "u-1", "Ann"))
    assert claims["video"] == JOINS | ALL_ROOMS


@pytest.mark.parametrize("publishes", [True, False])
def test_this_server_administers_its_room_and_its_phone_calls(publishes: bool) -> None:
    token = tokens().for_agent("demo", "sayna-ai", "Sayna AI", publishes=publishes)
    claims = claims_of(token)
    assert claims["video"] == JOINS | ALL_ROOMS | {"roomAdmin": True, "canPublish": publishes}
    assert claims["sip"] == {"admin": True, "call": False}
    assert "kind" not in claims


def test_this_server_can_say_that_it_is_an_agent() -> None:
    token = tokens(agent=True).for_agent("demo", "sayna-ai", "Sayna AI", publishes=True)
    assert claims_of(token)["kind"] == "agent"


def test_names_are_taken_word_for_word() -> None:
    claims = claims_of(tokens().for_participant(" räum/😀 ", " 日本 ", " ü "))
    assert (claims["video"]["room"], claims["sub"], claims["name"]) == (
        " räum/😀 ",
        " 日本 ",
        " ü ",
    )


@pytest.mark.parametrize(("room", "identity"), [("", "u-1"), ("demo", "")])
def test_nobody_and_nowhere_get_no_token(room: str, identity: str) -> None:
    with pytest.raises(TokenFailed, match="identity and room"):
        tokens().for_participant(room, identity, "Ann")
    with pytest.raises(TokenFailed):
        tokens().for_agent(room, identity, "Ann", publishes=True)


def test_a_secret_that_cannot_sign_is_named_without_being_told() -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nc2VjcmV0\n-----END PUBLIC KEY-----"
    with pytest.raises(TokenFailed) as raised:
        tokens(secret=pem).for_participant("demo", "u-1", "Ann")
    assert "c2VjcmV0" not in str(raised.value)

"""Tokens that open a room: which grants they carry, and their signature.

Source: https://docs.livekit.io/frontends/authentication/tokens/
"""

from dataclasses import dataclass, replace

import jwt
from livekit.api import AccessToken, SIPGrants, VideoGrants
from pydantic import SecretStr

from sayna.errors import TokenFailed


@dataclass(frozen=True, slots=True)
class Tokens:
    """Signs with the server's key; nobody is asked. A token is valid for six hours."""

    key: SecretStr
    secret: SecretStr
    legacy_grants: bool = False
    """Participants may also list, make and record rooms, any tenant's, as with the original."""
    agent: bool = False
    """This server joins as an agent instead of as a participant like any other."""

    def for_participant(self, room: str, identity: str, name: str) -> str:
        """Let somebody talk, listen and send data in a room.

        Raises:
            TokenFailed: identity or room are empty, or the secret is unusable.
        """
        grants = VideoGrants(room=room, room_join=True, can_update_own_metadata=True)
        if self.legacy_grants:
            grants = _with_all_rooms(grants)
        return self._sign(self._named(identity, name).with_grants(grants))

    def for_agent(self, room: str, identity: str, name: str, *, publishes: bool) -> str:
        """Let this server itself into a room; without `publishes` it sends data only.

        Raises:
            TokenFailed: identity or room are empty, or the secret is unusable.
        """
        grants = _with_all_rooms(
            VideoGrants(
                room=room,
                room_join=True,
                room_admin=True,
                can_publish=publishes,
                can_update_own_metadata=True,
            )
        )
        token = self._named(identity, name).with_grants(grants)
        if self.agent:
            token = token.with_kind("agent")
        return self._sign(token.with_sip_grants(SIPGrants(admin=True)))

    def _named(self, identity: str, name: str) -> AccessToken:
        token = AccessToken(self.key.get_secret_value(), self.secret.get_secret_value())
        return token.with_identity(identity).with_name(name)

    def _sign(self, token: AccessToken) -> str:
        try:
            return token.to_jwt()
        except (ValueError, jwt.PyJWTError) as error:
            raise TokenFailed(f"Failed to sign a token: {error}") from None


def _with_all_rooms(grants: VideoGrants) -> VideoGrants:
    return replace(grants, room_create=True, room_list=True, room_record=True)

"""Settings that say who may use this server."""

from typing import Annotated, Any

from pydantic import Field, SecretStr, model_validator

from sayna.settings.values import Env, FilePath, Flag, Secret, Section, Text, Whole, as_mapping

DEFAULT_SECRET_ID = "default"  # noqa: S105 - a name, not a secret


class ApiSecret(Section):
    """A key that admits one tenant."""

    id: Text
    """Name of the tenant that this secret admits."""

    secret: Secret
    """What the tenant sends as its token, compared byte by byte."""


class Auth(Section):
    """Who may use this server. Switched off, everybody may."""

    required: Annotated[Flag, Env("AUTH_REQUIRED")] = False
    """Ask every caller for a token, on all routes but `/`, the document and LiveKit's webhook."""

    api_secrets: Annotated[tuple[ApiSecret, ...], Env("AUTH_API_SECRETS_JSON", form="json")] = (
        Field(default=(), examples=['[{"id": "tenant-a", "secret": "a-long-random-value"}]'])
    )
    """Secrets that admit callers, each with the name of its tenant; they win over the service."""

    api_secret: Annotated[Secret | None, Env("AUTH_API_SECRET")] = Field(
        default=None, examples=["a-long-random-value"]
    )
    """A single secret, for servers with one tenant; a list from the same source wins over it."""

    api_secret_id: Annotated[Text, Env("AUTH_API_SECRET_ID")] = DEFAULT_SECRET_ID
    """Name of the tenant that the single secret admits."""

    service_url: Annotated[Text | None, Env("AUTH_SERVICE_URL")] = Field(
        default=None, examples=["https://auth.example/check"]
    )
    """Service that is asked about each token with a signed JWT; needs the signing key."""

    signing_key_path: Annotated[FilePath | None, Env("AUTH_SIGNING_KEY_PATH")] = Field(
        default=None, examples=["/etc/sayna/signing_key.pem"]
    )
    """PEM file with the private key (RSA, or EC on curve P-256) that signs those JWTs."""

    timeout_seconds: Annotated[Whole, Env("AUTH_TIMEOUT_SECONDS"), Field(ge=1, le=3600)] = 5
    """Seconds that the service may take to answer, connecting included."""

    strict_identity: Annotated[Flag, Env("AUTH_STRICT_IDENTITY")] = False
    """Refuse callers whom the service admits without naming their tenant."""

    @model_validator(mode="before")
    @classmethod
    def _list_the_single_secret(cls, given: Any) -> Any:  # noqa: ANN401 - pydantic hands in anything
        """Let readers of settings look at `api_secrets` alone."""
        section = as_mapping(given)
        if section is None or section.get("api_secrets") or not section.get("api_secret"):
            return given
        if not isinstance(section["api_secret"], str | SecretStr):
            return given  # pydantic refuses it next
        owner = section.get("api_secret_id", DEFAULT_SECRET_ID)
        return {**section, "api_secrets": [{"id": owner, "secret": section["api_secret"]}]}

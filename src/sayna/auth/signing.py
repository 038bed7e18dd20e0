"""The private key that signs what we tell the auth service."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sayna.errors import SettingsInvalid

if TYPE_CHECKING:  # costs 60 ms to import; servers without delegated auth never need it
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

MAX_KEY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key together with the one algorithm it is used for."""

    algorithm: Literal["RS256", "ES256"]
    key: "RSAPrivateKey | EllipticCurvePrivateKey"


def load_signing_key(path: Path) -> SigningKey:
    """Read a PEM file: RSA (PKCS#1 or PKCS#8) or an elliptic-curve key on P-256 (PKCS#8 or SEC1).

    Raises:
        SettingsInvalid: the file cannot be read, or holds anything else.
    """
    try:
        with path.open("rb") as file:
            pem = file.read(MAX_KEY_BYTES)
    except OSError as error:
        raise _unusable(path, error.strerror or "it cannot be read") from None
    return _parse_signing_key(path, pem)


def _parse_signing_key(path: Path, pem: bytes) -> SigningKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        raise _unusable(path, "it is not an unencrypted private key in PEM form") from None
    if isinstance(key, rsa.RSAPrivateKey):
        return SigningKey("RS256", key)
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return SigningKey("ES256", key)
    raise _unusable(path, "it is neither an RSA key nor an elliptic-curve key on P-256")


def _unusable(path: Path, why: str) -> SettingsInvalid:
    return SettingsInvalid([f"auth.signing_key_path: {path} cannot be used: {why}"])

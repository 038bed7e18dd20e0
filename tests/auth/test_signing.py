from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sayna.auth.signing import load_signing_key
from sayna.errors import SettingsInvalid

RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
PKCS8 = PrivateFormat.PKCS8
TRADITIONAL = PrivateFormat.TraditionalOpenSSL
PLAIN = NoEncryption()


@pytest.mark.parametrize(
    ("pem", "algorithm"),
    [
        (RSA.private_bytes(Encoding.PEM, PKCS8, PLAIN), "RS256"),
        (RSA.private_bytes(Encoding.PEM, TRADITIONAL, PLAIN), "RS256"),
        (P256.private_bytes(Encoding.PEM, PKCS8, PLAIN), "ES256"),
        (P256.private_bytes(Encoding.PEM, TRADITIONAL, PLAIN), "ES256"),
    ],
    ids=["pkcs8", "pkcs1", "ec-pkcs8", "sec1"],
)
def test_a_usable_key_comes_with_its_algorithm(pem: bytes, algorithm: str, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem)
    assert load_signing_key(path).algorithm == algorithm


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"not a key",
        RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        RSA.private_bytes(Encoding.PEM, PKCS8, BestAvailableEncryption(b"x")),
        RSA.private_bytes(Encoding.DER, PKCS8, PLAIN),
        ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PKCS8, PLAIN),
        ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PKCS8, PLAIN),
    ],
    ids=["empty", "garbage", "public", "encrypted", "der", "p384", "ed25519"],
)
def test_anything_else_stops_the_start_and_names_the_file(pem: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem)
    with pytest.raises(SettingsInvalid) as refused:
        load_signing_key(path)
    assert len(refused.value.problems) == 1
    assert "key.pem" in refused.value.problems[0]


def test_a_folder_and_a_missing_file_stop_the_start(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.pem"):
        with pytest.raises(SettingsInvalid, match="cannot be used"):
            load_signing_key(path)

import pytest
from pydantic import SecretStr, ValidationError

from sayna.settings.access import ApiSecret, Auth


def test_everybody_may_by_default() -> None:
    assert Auth().required is False
    assert Auth().api_secrets == ()


def test_a_single_secret_is_a_list_of_one_named_default() -> None:
    auth = Auth(api_secret=SecretStr("one"))
    assert auth.api_secrets == (ApiSecret(id="default", secret=SecretStr("one")),)


def test_a_single_secret_may_name_its_tenant() -> None:
    auth = Auth(api_secret=SecretStr("one"), api_secret_id="tenant-a")  # noqa: S106 - a name
    assert [entry.id for entry in auth.api_secrets] == ["tenant-a"]


def test_a_list_of_secrets_stands_beside_no_single_one() -> None:
    listed = (ApiSecret(id="b", secret=SecretStr("two")),)
    assert Auth(api_secret=SecretStr("one"), api_secrets=listed).api_secrets == listed


@pytest.mark.parametrize("wrong", [5, ["x"], {"a": 1}])
def test_a_single_secret_is_text(wrong: object) -> None:
    with pytest.raises(ValidationError, match="must be text"):
        Auth.model_validate({"api_secret": wrong})


@pytest.mark.parametrize("seconds", ["0", "-1", "3601"])
def test_the_service_gets_a_time_that_makes_sense(seconds: str) -> None:
    with pytest.raises(ValidationError):
        Auth.model_validate({"timeout_seconds": seconds})


def test_no_secret_shows_in_the_representation() -> None:
    assert "hush" not in repr(Auth(api_secret=SecretStr("hush")))

import pytest
from pydantic import SecretStr, ValidationError

from sayna.settings.leaves import all_leaves, walk
from sayna.settings.tree import LiveKit, Logging, Server, Settings, parse_level


def test_a_server_needs_no_setting_at_all() -> None:
    settings = Settings()
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 3001)  # noqa: S104 - the default
    assert settings.sip is None
    assert settings.recording.backend is None


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().server.port = 1


def test_a_misspelt_setting_is_refused_in_code() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Server.model_validate({"prot": 1})


@pytest.mark.parametrize(
    ("word", "level"),
    [("INFO", "info"), ("warn", "warning"), (" trace ", "debug"), ("off", "critical")],
)
def test_levels_go_by_all_their_usual_names(word: str, level: str) -> None:
    assert parse_level(word) == Logging.model_validate({"level": word}).level == level


@pytest.mark.parametrize("word", ["loud", "", 5, None])
def test_an_unknown_level_is_refused(word: object) -> None:
    with pytest.raises(ValueError, match="no log level"):
        parse_level(word)


@pytest.mark.parametrize(
    ("key", "secret", "configured"),
    [(None, None, False), ("k", None, False), (None, "s", False), ("k", "s", True)],
)
def test_rooms_need_key_and_secret(key: str | None, secret: str | None, configured: bool) -> None:
    livekit = LiveKit(
        api_key=None if key is None else SecretStr(key),
        api_secret=None if secret is None else SecretStr(secret),
    )
    assert livekit.configured is configured


def test_every_setting_and_section_has_one_sentence() -> None:
    sentences = [leaf.field.description for leaf in all_leaves()]
    sentences += [branch.model.__doc__ for branch in walk(Settings)]
    assert all(text and text.strip().endswith(".") for text in sentences)


def test_every_setting_has_a_variable_and_no_two_share_one() -> None:
    variables = {leaf.path + leaf.variant: leaf.env for leaf in all_leaves()}
    names = [env.name for env in variables.values() if env and env.name != "RECORDING_BACKEND"]
    assert all(variables.values())
    assert len(names) == len(set(names))


def test_whatever_sounds_secret_is_a_secret() -> None:
    words = ("secret", "password", "api_key", "credentials", "subscription_key", "access_key")
    harmless = ("api_secret_id", "credentials_path")
    for leaf in all_leaves():
        name = leaf.path.rsplit(".", 1)[-1]
        if any(word in name for word in words) and name not in harmless:
            assert leaf.secret, leaf.path

import pytest
from pydantic import SecretStr

from sayna.settings.leaves import (
    all_leaves,
    env_of,
    holds_secret,
    join,
    leaf_at,
    leaves_of,
    sections_in,
    walk,
)
from sayna.settings.recording import GcsBucket, Recording, S3Bucket
from sayna.settings.telephony import Sip, SipHook
from sayna.settings.tree import Server, Settings


def test_a_walk_meets_sections_outermost_first() -> None:
    paths = [branch.path for branch in walk(Settings)]
    assert paths[:2] == ["", "server"]
    assert paths.index("session") < paths.index("session.turn")


def test_a_section_of_several_shapes_is_met_once_for_each() -> None:
    variants = [b.variant for b in walk(Recording) if b.path == "backend"]
    assert variants == ["local", "s3", "gcs"]


def test_a_list_of_sections_is_one_setting() -> None:
    assert sections_in(tuple[SipHook, ...]) == []
    assert sections_in(Sip | None) == [Sip]
    assert leaf_at("sip.hooks").secret


def test_a_setting_is_called_by_path_and_variable() -> None:
    assert leaf_at("server.port").name == "server.port (PORT)"
    assert leaf_at("recording.backend.bucket", "gcs").name.endswith("(RECORDING_GCS_BUCKET)")


def test_there_is_no_leaf_where_no_setting_is() -> None:
    with pytest.raises(LookupError):
        leaf_at("server.prot")


def test_leaves_of_a_section_stand_directly_in_it() -> None:
    branch = next(b for b in walk(Settings) if b.path == "server")
    assert [leaf.path for leaf in leaves_of(branch)] == ["server.host", "server.port"]
    assert {leaf.path for leaf in leaves_of(branch)} <= {leaf.path for leaf in all_leaves()}


def test_secrets_are_found_however_deep_they_are() -> None:
    assert holds_secret(SecretStr | None)
    assert holds_secret(tuple[SipHook, ...])
    assert holds_secret(GcsBucket | S3Bucket)
    assert not holds_secret(Server)


def test_paths_are_joined_with_dots() -> None:
    assert (join("", "a"), join("a.b", "c")) == ("a", "a.b.c")


def test_a_field_without_a_marker_has_no_variable() -> None:
    assert env_of(SipHook.model_fields["url"]) is None

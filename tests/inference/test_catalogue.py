"""The catalogue itself is sound."""

import pytest

from sayna.inference.catalogue import CATALOGUE, Model


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)
def test_every_model_is_pinned_and_described(model: Model) -> None:
    for digest in (model.sha256, model.wheel_sha256):
        assert len(digest) == 64
        assert int(digest, 16) > 0
    assert model.size > 0
    assert model.name == model.member.rpartition("/")[2]
    assert model.requirement == f"{model.package}=={model.version}"
    assert model.purpose
    assert model.licence in {"MIT", "BSD-2-Clause"}


def test_no_two_models_share_a_file_name() -> None:
    assert len({model.name for model in CATALOGUE}) == len(CATALOGUE)


def test_the_turn_model_is_the_one_that_was_measured() -> None:
    (turn,) = (model for model in CATALOGUE if model.package == "pipecat-ai")
    assert turn.sha256 == "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"

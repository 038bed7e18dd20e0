import os
from pathlib import Path

import pytest

from sayna.providers.local.options import BUNDLED_GRAMMARS, Listening, Mode

pytestmark = pytest.mark.slow
pytest.importorskip("pocketsphinx")

from sayna.providers.local.decoders import MAX_IDLE, Decoders, Unfit  # noqa: E402 - needs the engine

DEMO = Listening(Mode.GRAMMAR, BUNDLED_GRAMMARS / "demo.gram")


def test_a_decoder_that_came_back_is_lent_again() -> None:
    decoders = Decoders()
    first = decoders.lend(DEMO)
    assert decoders.lend(DEMO) is not first
    decoders.take_back(first)
    assert decoders.lend(DEMO) is first


def test_only_a_few_are_kept() -> None:
    decoders = Decoders()
    lent = [decoders.lend(DEMO) for _ in range(MAX_IDLE + 1)]
    for each in lent:
        decoders.take_back(each)
    assert [decoders.lend(DEMO) for _ in range(MAX_IDLE)] == lent[1:]


def test_a_changed_grammar_is_read_again(tmp_path: Path) -> None:
    grammar = tmp_path / "menu.gram"
    grammar.write_text("#JSGF V1.0;\ngrammar x;\npublic <a> = open the door;\n")
    listening = Listening(Mode.GRAMMAR, grammar)
    decoders = Decoders()
    first = decoders.lend(listening)
    decoders.take_back(first)
    os.utime(grammar, ns=(1, 1))
    assert decoders.lend(listening) is not first


def test_the_next_caller_begins_with_the_same_assumptions() -> None:
    decoders = Decoders()
    first = decoders.lend(DEMO)
    assumed = first.decoder.get_cmn(False)
    first.decoder.set_cmn("60,1,1,1,1,1,1,1,1,1,1,1,1")
    decoders.take_back(first)
    assert decoders.lend(DEMO).decoder.get_cmn(False) == assumed


def test_what_the_library_complains_about_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    grammar = tmp_path / "bad.gram"
    grammar.write_text("#JSGF V1.0;\ngrammar x;\npublic <a> = open the zzdoor;\n")
    with pytest.raises(Unfit, match=r"bad\.gram has the word 'zzdoor'"):
        Decoders().lend(Listening(Mode.GRAMMAR, grammar))
    assert "zzdoor" not in capfd.readouterr().err

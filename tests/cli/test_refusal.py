"""A refusal is lines on stderr and status 1."""

import pytest

from sayna.cli.refusal import refuse


def test_every_problem_is_a_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        refuse("one", "two")
    assert left.value.code == 1
    captured = capsys.readouterr()
    assert captured.err == "Error: one\nError: two\n"
    assert captured.out == ""

"""What is asked of pip, and what becomes of its answers."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from sayna.inference.catalogue import SILERO_VAD
from sayna.inference.package_index import DownloadFailed, Wheel, download_wheel, find_wheel


class Pip:
    """Answers as it is told; remembers the command."""

    def __init__(self, said: str = "", complaint: str = "", status: int = 0) -> None:
        self._done = subprocess.CompletedProcess([], status, said, complaint)
        self.asked: list[str] = []

    def __call__(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        self.asked = list(command)
        return self._done


def report(**archive: object) -> str:
    origin = {"url": "https://files.invalid/some.whl", "archive_info": archive}
    return json.dumps({"version": "1", "install": [{"download_info": origin, "is_direct": False}]})


def test_the_address_and_the_hash_are_read_from_pips_report() -> None:
    pip = Pip(report(hash="sha256=abc", hashes={"sha256": "abc"}))
    assert find_wheel(SILERO_VAD, pip) == Wheel("https://files.invalid/some.whl", "abc")
    assert pip.asked[-1] == "silero-vad==6.2.3"
    assert "--dry-run" in pip.asked


def test_an_index_without_hashes_will_do() -> None:
    assert find_wheel(SILERO_VAD, Pip(report())).sha256 is None


@pytest.mark.parametrize("said", ["", "[]", '{"install": []}', '{"install": [{}]}'])
def test_a_report_that_says_nothing_is_an_error(said: str) -> None:
    with pytest.raises(DownloadFailed, match="upgrade it"):
        find_wheel(SILERO_VAD, Pip(said))


@pytest.mark.parametrize(
    ("complaint", "cure"),
    [
        ("/usr/bin/python3: No module named pip", "ensurepip"),
        ("WARNING: Retrying (Retry(total=4)) after connection broken by ...", "check the network"),
        ("Temporary failure in name resolution; could not resolve", "check the network"),
        ("ERROR: No matching distribution found for silero-vad==6.2.3", "has no wheel"),
        ("ERROR: something else", "pip download --no-deps silero-vad==6.2.3"),
    ],
)
def test_every_complaint_becomes_one_line_with_a_cure(complaint: str, cure: str) -> None:
    with pytest.raises(DownloadFailed, match=cure) as caught:
        find_wheel(SILERO_VAD, Pip(complaint=complaint, status=1))
    assert "\n" not in str(caught.value)


def test_pips_own_words_are_not_passed_on() -> None:
    complaint = "ERROR: https://user:password@index.invalid said no"  # pragma: allowlist secret
    with pytest.raises(DownloadFailed) as caught:
        find_wheel(SILERO_VAD, Pip(complaint=complaint, status=1))
    assert "password" not in str(caught.value)


def test_an_index_that_never_answers_is_given_up() -> None:
    def never(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        raise subprocess.TimeoutExpired(command, 180)

    with pytest.raises(DownloadFailed, match="did not answer"):
        find_wheel(SILERO_VAD, never)


def test_pip_itself_can_fetch_the_wheel(tmp_path: Path) -> None:
    (tmp_path / "some.whl").write_bytes(b"wheel")
    pip = Pip()
    assert download_wheel(SILERO_VAD, tmp_path, pip) == tmp_path / "some.whl"
    assert str(tmp_path) in pip.asked


def test_pip_that_fetches_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="try again"):
        download_wheel(SILERO_VAD, tmp_path, Pip())

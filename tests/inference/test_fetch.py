"""One file over a line that breaks, from a server that misbehaves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sayna.inference import fetch
from sayna.inference.fetch import BARREN_REQUESTS, Clock, Download, FetchFailed, FetchRefused
from tests.inference.package_server import PackageServer, serving

CONTENT = bytes(range(256)) * 4_000


class Pauses:
    """A clock that stands still but for the waits, which it remembers."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    @property
    def clock(self) -> Clock:
        return Clock(lambda: sum(self.waited), self.waited.append)


@pytest.fixture
def server() -> Iterator[PackageServer]:
    with serving(CONTENT) as server:
        yield server


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "some.whl.part"


def bring(url: str, part: Path, size: int = len(CONTENT)) -> tuple[list[int], Pauses]:
    """Download, return the progress told and the pauses made."""
    told: list[int] = []
    pauses = Pauses()
    Download(url, part, size, lambda done, total: told.append(done), pauses.clock).run()
    return told, pauses


def test_a_file_arrives_and_its_progress_is_told(server: PackageServer, part: Path) -> None:
    told, pauses = bring(server.url, part)
    assert part.read_bytes() == CONTENT
    assert told == sorted(told)
    assert told[-1] == len(CONTENT)
    assert len(told) > 2
    assert pauses.waited == []


def test_a_line_that_breaks_is_taken_up_where_it_broke(server: PackageServer, part: Path) -> None:
    server.cut_after = 300_000
    _, pauses = bring(server.url, part)
    assert part.read_bytes() == CONTENT
    assert [asked.get("Range") for asked in server.asked] == [
        None, "bytes=300000-", "bytes=600000-", "bytes=900000-",
    ]  # fmt: skip
    assert server.asked[1]["If-Range"] == '"v1"'
    assert pauses.waited == [0.5, 0.5, 0.5]


def test_a_later_run_goes_on_from_what_is_there(server: PackageServer, part: Path) -> None:
    server.cut_after = 300_000
    with pytest.raises(FetchFailed):
        Download(server.url, part, len(CONTENT), lambda done, total: None, _hasty()).run()
    here = part.stat().st_size
    server.cut_after = None
    bring(server.url, part)
    assert part.read_bytes() == CONTENT
    assert here > 0
    assert server.asked[-1]["Range"] == f"bytes={here}-"


def _hasty() -> Clock:
    """Return a clock whose deadline is over at once."""
    times = iter([0.0, *[fetch.DEADLINE_S] * 1_000])
    return Clock(lambda: next(times), lambda seconds: None)


def test_another_version_is_not_mixed_with_the_one_before(
    server: PackageServer, part: Path
) -> None:
    part.write_bytes(b"x" * 1_000)
    part.with_name(f"{part.name}.tag").write_text('"v0"', "utf-8")
    bring(server.url, part)
    assert part.read_bytes() == CONTENT


def test_a_server_without_ranges_is_read_from_the_start(server: PackageServer, part: Path) -> None:
    server.ranges = False
    part.write_bytes(CONTENT[:5_000])
    bring(server.url, part)
    assert part.read_bytes() == CONTENT


def test_a_server_without_tags_is_resumed_all_the_same(server: PackageServer, part: Path) -> None:
    server.tag = ""
    server.cut_after = 600_000
    bring(server.url, part)
    assert part.read_bytes() == CONTENT
    assert "If-Range" not in server.asked[1]


def test_a_part_that_is_too_long_is_thrown_away(server: PackageServer, part: Path) -> None:
    part.write_bytes(b"x" * (len(CONTENT) + 1))
    bring(server.url, part)
    assert part.read_bytes() == CONTENT


def test_a_part_that_is_whole_is_not_asked_for_again(server: PackageServer, part: Path) -> None:
    part.write_bytes(CONTENT)
    bring(server.url, part)
    assert server.asked == []


def test_a_server_that_answers_with_another_part_is_not_believed(
    server: PackageServer, part: Path
) -> None:
    server.lie_about_range = True
    part.write_bytes(CONTENT[:5_000])
    bring(server.url, part)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [408, 416, 429, 500, 502, 503])
def test_a_passing_trouble_is_waited_out(status: int, server: PackageServer, part: Path) -> None:
    server.statuses = [status, status]
    _, pauses = bring(server.url, part)
    assert part.read_bytes() == CONTENT
    assert pauses.waited == [1.0, 2.0]


def test_a_lasting_trouble_is_given_up(server: PackageServer, part: Path) -> None:
    server.statuses = [503] * 100
    with pytest.raises(FetchFailed, match="status 503"):
        bring(server.url, part)
    assert len(server.asked) == BARREN_REQUESTS


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_final_answer_is_not_asked_twice(status: int, server: PackageServer, part: Path) -> None:
    server.statuses = [status]
    with pytest.raises(FetchFailed, match=str(status)):
        bring(server.url, part)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_wish_for_a_login_is_told_apart(status: int, server: PackageServer, part: Path) -> None:
    server.statuses = [status]
    with pytest.raises(FetchRefused):
        bring(server.url, part)


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_file_of_another_size_is_refused_at_once(
    size: int, server: PackageServer, part: Path
) -> None:
    with pytest.raises(FetchFailed, match="were expected"):
        bring(server.url, part, size)
    assert len(server.asked) == 1


def test_nobody_listening_is_a_failure_without_an_address(part: Path) -> None:
    with serving(b"") as gone:
        url = gone.url
    with pytest.raises(FetchFailed, match="no connection") as caught:
        bring(url, part)
    assert "127.0.0.1" not in str(caught.value)


def test_a_deadline_ends_a_file_that_trickles(server: PackageServer, part: Path) -> None:
    server.cut_after = 1_000
    with pytest.raises(FetchFailed):
        Download(server.url, part, len(CONTENT), lambda done, total: None, _hasty()).run()


def test_a_local_file_is_copied(tmp_path: Path, part: Path) -> None:
    source = tmp_path / "source.whl"
    source.write_bytes(CONTENT)
    bring(source.as_uri(), part)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "data:,x", "x"])
def test_other_addresses_are_refused(url: str, part: Path) -> None:
    with pytest.raises(FetchFailed, match="unknown kind"):
        bring(url, part)

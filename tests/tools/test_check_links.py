"""Dead links in the documentation are found, live ones are left alone."""

from pathlib import Path

import pytest

from tools.check_links import anchors_of, find_dead_links, links_of, main


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs" / "howto").mkdir(parents=True)
    (tmp_path / "LICENSE").write_text("free")
    (tmp_path / "docs" / "guide.md").write_text(
        "# Guide\n\n## First steps & more\n\n## Same\n\n## Same\n"
    )
    return tmp_path


def dead(root: Path, readme: str) -> list[str]:
    (root / "README.md").write_text(readme)
    return list(find_dead_links(root))


@pytest.mark.parametrize(
    "link",
    [
        "docs/guide.md",
        "./docs/guide.md",
        "/docs/guide.md",
        "docs",
        "LICENSE",
        "docs/guide.md#first-steps--more",
        "docs/guide.md#same-1",
        "#readme",
        "https://example.org/gone",
        "mailto:someone@example.org",
    ],
)
def test_a_live_or_foreign_link_is_left_alone(root: Path, link: str) -> None:
    assert dead(root, f"# Readme\n\n[words]({link})\n") == []


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("docs/gone.md", "no such file"),
        ("docs/guide.md#gone", "no such heading"),
        ("docs/guide.md#same-2", "no such heading"),
        ("#gone", "no such heading"),
        ("../elsewhere.md", "leads out of the repository"),
    ],
)
def test_a_dead_link_is_one_line_with_the_reason(root: Path, link: str, why: str) -> None:
    assert dead(root, f"# Readme\n\n[words]({link})\n") == [f"README.md: {link}: {why}"]


def test_links_of_a_page_in_a_folder_are_relative_to_that_folder(root: Path) -> None:
    (root / "docs" / "howto" / "page.md").write_text("[up](../guide.md) [dead](guide.md)")
    assert list(find_dead_links(root)) == ["docs/howto/page.md: guide.md: no such file"]


def test_pictures_and_reference_links_count_code_does_not() -> None:
    text = "![p](a.png) [r][x] `[c](code.md)`\n\n```\n[f](fence.md)\n```\n\n[x]: ref.md\n"
    assert links_of(text) == ["a.png", "ref.md"]


def test_links_in_tables_are_found() -> None:
    assert links_of("| a |\n|---|\n| [t](table.md) |\n") == ["table.md"]


def test_an_html_id_is_an_anchor() -> None:
    assert anchors_of('<a id="here"></a>\n\n# A `code` heading\n') == {"here", "a-code-heading"}


def test_this_repository_has_no_dead_link(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().err

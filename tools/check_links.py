"""Find dead links in the documentation: files that are not there, headings that do not exist.

Only links inside the repository are looked at; nothing is fetched. Run without arguments:
one line for each dead link, status 1 when there is any.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

PAGES = ("*.md", "docs/**/*.md", "examples/**/*.md", "changelog.d/*.md")
_PARSER = MarkdownIt("gfm-like", {"linkify": False})
_HTML_ID = re.compile(r"""<[^>]+\b(?:id|name)=["']([^"']+)["']""")


def find_dead_links(root: Path) -> Iterator[str]:
    """Yield `page: link: why` for every dead link of the pages under `root`."""
    anchors: dict[Path, set[str]] = {}
    for page in sorted({page for pattern in PAGES for page in root.glob(pattern)}):
        for link in links_of(page.read_text(encoding="utf-8")):
            why = _fault(page, link, root, anchors)
            if why:
                yield f"{page.relative_to(root)}: {link}: {why}"


def links_of(text: str) -> list[str]:
    """Return the targets of a page's links and pictures, in order."""
    found: list[str] = []
    for token in _walk(_PARSER.parse(text)):
        target = token.attrGet("src" if token.type == "image" else "href")
        if token.type in ("link_open", "image") and isinstance(target, str):
            found.append(target)
    return found


def anchors_of(text: str) -> set[str]:
    """Return what `#...` may name in a page: its headings as GitHub spells them, and HTML ids."""
    seen: Counter[str] = Counter()
    anchors = set(_HTML_ID.findall(text))
    tokens = _PARSER.parse(text)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            slug = slug_of(_visible_text(inline))
            anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return anchors


def slug_of(heading: str) -> str:
    """Spell a heading as GitHub does: lower case, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _fault(page: Path, link: str, root: Path, anchors: dict[Path, set[str]]) -> str | None:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    target = page
    if parts.path:
        base = root if parts.path.startswith("/") else page.parent
        target = (base / unquote(parts.path).lstrip("/")).resolve()
    if not target.is_relative_to(root.resolve()):
        return "leads out of the repository"
    if not target.exists():
        return "no such file"
    if not parts.fragment or target.suffix != ".md":
        return None
    if target not in anchors:
        anchors[target] = anchors_of(target.read_text(encoding="utf-8"))
    return None if unquote(parts.fragment) in anchors[target] else "no such heading"


def _visible_text(inline: Token) -> str:
    return "".join(
        token.content for token in inline.children or () if token.type in ("text", "code_inline")
    )


def _walk(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _walk(token.children or [])


def main() -> int:
    """Check the repository that this file lies in; return the exit status."""
    dead = list(find_dead_links(Path(__file__).resolve().parent.parent))
    for line in dead:
        sys.stderr.write(line + "\n")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())

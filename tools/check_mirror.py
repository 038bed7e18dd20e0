"""Each module of `src/sayna` has a test module opposite it: `a/b.py` and `tests/a/test_b.py`."""

import sys
from pathlib import Path

SOURCE = Path("src/sayna")
TESTS = Path("tests")


def unmirrored(source: Path, tests: Path) -> list[str]:
    """Name every module without a test module, each with the path it should have."""
    missing: list[str] = []
    for module in sorted(source.rglob("*.py")):
        if module.name in {"__init__.py", "__main__.py"}:
            continue
        inside = module.relative_to(source)
        opposite = tests / inside.parent / f"test_{inside.name}"
        if not opposite.exists():
            missing.append(f"{module}: no {opposite}")
    return missing


def main() -> int:
    """Print what is missing; 1 when anything is."""
    missing = unmirrored(SOURCE, TESTS)
    for line in missing:
        print(line)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())

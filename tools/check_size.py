"""Refuse files over 1 MiB: a clone stays small, models come from `sayna init`."""

import sys
from pathlib import Path

LIMIT_BYTES = 1 << 20


def too_large(paths: list[Path]) -> list[Path]:
    """Pick the files above the limit."""
    return [path for path in paths if path.is_file() and path.stat().st_size > LIMIT_BYTES]


if __name__ == "__main__":
    large = too_large([Path(name) for name in sys.argv[1:]])
    for path in large:
        print(f"{path}: {path.stat().st_size} bytes; the limit is {LIMIT_BYTES}")
    sys.exit(1 if large else 0)

"""Get the real programs that tests talk to: `make parts`.

A part that is already there is left alone. What cannot be installed here is named with its cure and
is not an error: the tests that need it skip with the same words, and fail when CI=true.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class DebianPart:
    """A program from a Debian package."""

    program: str
    package: str
    used_for: str

    @property
    def present(self) -> bool:
        """Tell whether the program can be started."""
        return shutil.which(self.program) is not None

    @property
    def cure(self) -> str:
        """Say in one command how to get it."""
        return f"apt-get install {self.package}"


PARTS = (DebianPart("chromium", "chromium", "opens /docs as a real browser does"),)


def install(parts: Sequence[DebianPart]) -> None:
    """Install packages with apt-get, as root and without questions."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    packages = [part.package for part in parts]
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
    ):
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words


def main() -> int:
    """Install what is missing where that is possible; report what is not."""
    missing = [part for part in PARTS if not part.present]
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        print(f"Installing {', '.join(part.package for part in missing)}")
        try:
            install(missing)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"Could not install: {error}", file=sys.stderr)
    for part in PARTS:
        if not part.present:
            print(f"missing: {part.program} ({part.used_for}); get it with: {part.cure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

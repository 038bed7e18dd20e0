"""How a command says no: `Error: …` lines on stderr, status 1, no traceback."""

import sys
from typing import NoReturn

import click


def refuse(*problems: str) -> NoReturn:
    """Print each problem as a line `Error: …` and leave with status 1."""
    for problem in problems:
        click.echo(f"Error: {problem}", err=True)
    sys.exit(1)

"""The options of every command that is a client of a running server."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

DEFAULT_URL = "http://127.0.0.1:3001"
Command = TypeVar("Command", bound=Callable[..., Any])


def server_options(command: Command) -> Command:
    """Add --url and --api-key."""
    with_key = click.option(
        "--api-key",
        envvar="SAYNA_API_KEY",
        metavar="KEY",
        help="Key of a server that asks for one. Rather set SAYNA_API_KEY: others on this machine "
        "can see arguments.",
    )
    with_url = click.option(
        "--url",
        envvar="SAYNA_URL",
        default=DEFAULT_URL,
        show_default=True,
        help="Where the server listens (or SAYNA_URL).",
    )
    return with_url(with_key(command))

"""Commands that are clients share an address and a key."""

import click
from click.testing import CliRunner

from sayna.cli.server_options import DEFAULT_URL, server_options


@click.command()
@server_options
def show(url: str, api_key: str | None) -> None:
    click.echo(f"{url} {api_key}")


def test_without_options_the_server_is_ours_and_open() -> None:
    result = CliRunner().invoke(show, env={"SAYNA_URL": None, "SAYNA_API_KEY": None})
    assert result.output == f"{DEFAULT_URL} None\n"


def test_options_win_over_the_environment() -> None:
    env = {"SAYNA_URL": "http://env", "SAYNA_API_KEY": "k-env"}
    assert CliRunner().invoke(show, env=env).output == "http://env k-env\n"
    given = CliRunner().invoke(show, ["--url", "http://a", "--api-key", "k"], env=env)
    assert given.output == "http://a k\n"


def test_help_warns_of_keys_in_arguments() -> None:
    assert "SAYNA_API_KEY" in CliRunner().invoke(show, ["--help"]).output

"""`sayna openapi`: the OpenAPI document, without a server and without settings."""

import json
from pathlib import Path

import click
import yaml

from sayna.cli.refusal import refuse


@click.command("openapi", short_help="Print the OpenAPI document.")
@click.option(
    "-f",
    "--format",
    "written",
    type=click.Choice(["yaml", "json"], case_sensitive=False),
    default="yaml",
    show_default=True,
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write there instead of to stdout.",
)
def command(written: str, output: Path | None) -> None:
    """Print the OpenAPI 3.1 document of the REST API.

    The same document is served at /openapi.json and, to read, at /docs.

    \b
    Examples:
      sayna openapi
      sayna openapi -f json | jq .paths
      sayna openapi -o openapi.yaml
    """  # noqa: D301 - \b is click's mark for a paragraph that keeps its lines
    from sayna.api.openapi import document

    text = render(document(), written)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        refuse(f"{output}: {error.strerror or error}")
    click.echo(f"OpenAPI document written to {output}")


def render(document: dict[str, object], written: str) -> str:
    """Return the document as text that ends with a newline, keys in their order."""
    if written == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return text

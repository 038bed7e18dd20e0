"""`sayna init`: fetch the optional models into the cache folder."""

from contextlib import ExitStack
from pathlib import Path
from typing import Self

import click

from sayna.cli.configuration import config_option, load_or_exit, models_folder
from sayna.cli.refusal import refuse
from sayna.inference.catalogue import Model
from sayna.inference.downloads import DownloadFailed, fetch_all


@click.command("init", short_help="Fetch the optional models.")
@config_option
def command(config: Path | None) -> None:
    """Fetch the models for voice activity and end of turn into the cache folder.

    The folder is `cache.path`, the variable CACHE_PATH. Files are taken from published packages and
    compared with pinned hashes. It may be interrupted and repeated: what is there stays.

    \b
    Examples:
      CACHE_PATH=/var/lib/sayna sayna init
      sayna init -c sayna.yaml
    """  # noqa: D301 - \b is click's mark for a paragraph that keeps its lines
    folder = models_folder(load_or_exit(config).settings)
    if folder is None:
        refuse("no cache folder is set: set CACHE_PATH or cache.path to keep the models there")
    try:
        with Bars() as bars:
            fetched = fetch_all(folder, progress=bars.show)
    except DownloadFailed as failed:
        refuse(str(failed))
    for item in fetched:
        state = "is there" if item.was_here else "fetched"
        click.echo(f"{item.model.name}: {state} ({item.model.purpose})")


class Bars:
    """One progress bar after the other, each as long as its model's download."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._model: Model | None = None
        self._done = 0

    def __enter__(self) -> Self:
        """Draw nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the last bar's line."""
        self._stack.close()

    def show(self, model: Model, done: int, total: int | None) -> None:
        """Move the model's bar to `done` of `total` bytes; a new model gets a new bar."""
        if model != self._model:
            self._stack.close()
            self._model, self._done = model, 0
            bar = click.progressbar(length=total or model.wheel_size, label=model.name)
            self._bar = self._stack.enter_context(bar)
        self._bar.update(done - self._done)
        self._done = done

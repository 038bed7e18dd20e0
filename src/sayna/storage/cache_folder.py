"""The folder that keeps what outlives a run: cached speech, models, hooks."""

from pathlib import Path

from sayna.errors import SettingsInvalid


def make_cache_folder(path: Path | None) -> None:
    """Make the folder and all above it; None is no folder.

    Raises:
        SettingsInvalid: it cannot be made.
    """
    if path is None:
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise SettingsInvalid([f"cache.path (CACHE_PATH): {path} cannot be made: {why}"]) from None

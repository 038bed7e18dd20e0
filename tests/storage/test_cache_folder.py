from pathlib import Path

import pytest

from sayna.errors import SettingsInvalid
from sayna.storage.cache_folder import make_cache_folder


def test_the_folder_is_made_with_all_above_it(tmp_path: Path) -> None:
    make_cache_folder(None)
    for _ in range(2):
        make_cache_folder(tmp_path / "a" / "b")
        assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SettingsInvalid, match=r"^cache\.path .* cannot be made: .+$"):
            make_cache_folder(path)

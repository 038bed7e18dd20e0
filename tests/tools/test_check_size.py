from pathlib import Path

from tools.check_size import LIMIT_BYTES, too_large


def test_a_file_over_the_limit_is_picked_and_one_at_the_limit_is_not(tmp_path: Path) -> None:
    fits, large = tmp_path / "fits", tmp_path / "large"
    fits.write_bytes(bytes(LIMIT_BYTES))
    large.write_bytes(bytes(LIMIT_BYTES + 1))
    assert too_large([fits, large, tmp_path / "absent"]) == [large]

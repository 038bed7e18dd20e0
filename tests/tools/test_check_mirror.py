from pathlib import Path

from tools.check_mirror import unmirrored


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_a_module_without_its_test_is_named_with_the_path_it_should_have(tmp_path: Path) -> None:
    write(tmp_path / "src/a/b.py")
    write(tmp_path / "src/a/c.py")
    write(tmp_path / "src/a/__init__.py")
    write(tmp_path / "tests/a/test_c.py")
    [line] = unmirrored(tmp_path / "src", tmp_path / "tests")
    assert line.endswith(f"no {tmp_path}/tests/a/test_b.py")

import re
from pathlib import Path

import pytest
import yaml

from sayna.settings.leaves import all_leaves
from sayna.settings.reference import (
    EXAMPLE,
    PAGE,
    documents,
    effective,
    main,
    render_example,
    render_page,
    show,
    without_credentials,
)
from sayna.settings.tree import Settings
from tests.settings.loading import load

ROOT = Path(__file__).parents[2]


def test_the_committed_documents_are_current() -> None:
    for path, text in documents():
        assert (ROOT / path).read_text(encoding="utf-8") == text, (
            f"{path} is out of date; run python -m sayna.settings.reference"
        )


def test_the_example_loads_as_it_stands_and_changes_nothing(tmp_path: Path) -> None:
    loaded = load(tmp_path, yaml=render_example())
    assert loaded.settings == Settings()
    assert loaded.warnings == ()


def test_every_line_of_the_example_may_be_uncommented(tmp_path: Path) -> None:
    text = re.sub(r"^( *)# ([a-z_]+: )", r"\1\2", render_example(), flags=re.MULTILINE)
    first_backend, *others = text.split("    # Recordings in ")[1:]
    for other in others:
        text = text.replace(other.split("\n\n")[0] if other is others[-1] else other, "\n")
    assert first_backend in text
    (tmp_path / "signing_key.pem").write_text("")
    text = text.replace("/etc/sayna/signing_key.pem", str(tmp_path / "signing_key.pem"))
    text = text.replace('hook_secret: ""', "hook_secret: 0123456789abcdef")
    loaded = load(tmp_path, yaml=text)
    assert not [line for line in loaded.warnings if "unknown" in line]
    assert loaded.settings.sip is not None


def test_the_example_names_every_setting_with_its_variable() -> None:
    text = render_example()
    for leaf in all_leaves():
        assert f"# {leaf.path.rsplit('.', 1)[-1]}: " in text
        assert leaf.env is not None
        assert f"({leaf.env.name})" in text
    assert yaml.safe_load(text)["sip"] is None


def test_the_page_has_a_row_for_every_setting() -> None:
    rows = [line for line in render_page().splitlines() if line.startswith("| `")]
    assert len(rows) == len(all_leaves())
    assert all(row.count("|") - row.count("\\|") == 5 for row in rows)
    assert "2, or 1 on a machine with one core" in render_page()


def test_the_documents_are_written_once_and_then_current(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"], tmp_path) == 1
    assert "out of date" in capsys.readouterr().err
    assert main([], tmp_path) == 0
    assert (tmp_path / EXAMPLE).is_file()
    assert (tmp_path / PAGE).is_file()
    assert main(["--check"], tmp_path) == 0


def test_what_is_in_force_is_shown_with_its_source_and_without_secrets(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        {
            "AUTH_API_SECRET": "hush-1",
            "AUTH_SERVICE_URL": "http://user:hush-1@h/x?key=hush-1",  # pragma: allowlist secret
            "AUTH_SIGNING_KEY_PATH": str(tmp_path),
            "DEEPGRAM_API_KEY": "hush-1",
            "GOOGLE_APPLICATION_CREDENTIALS": "",
            "SIP_HOOKS_JSON": '[{"host":"a","url":"https://h/x?k=hush-1"}]',
            "SIP_HOOK_SECRET": "hush-1-hush-1-hush",
        },
        yaml="sip: {room_prefix: p, allowed_addresses: [192.0.2.1, 192.0.2.2]}\n",
    )
    lines = [str(row) for row in effective(loaded)]
    assert "hush-1" not in "\n".join(lines)
    assert "server.port = 3001  (default)" in lines
    assert "auth.api_secrets = default: ********  (environment AUTH_API_SECRET)" in lines
    assert (
        'providers.google_credentials = ""  (environment GOOGLE_APPLICATION_CREDENTIALS)' in lines
    )
    assert "sip.allowed_addresses = 192.0.2.1, 192.0.2.2  (c.yaml line 1)" in lines
    assert "sip.hooks = a -> https://h/x?********  (environment SIP_HOOKS_JSON)" in lines
    assert "recording.backend = unset  (default)" in lines


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "true"), (False, "false"), (5.0, "5"), (0.1, "0.1"), ((), "unset"), (None, "unset")],
)
def test_values_are_shown_the_way_they_are_written(value: object, shown: str) -> None:
    assert show(value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a/b?c", "a/b?c"),
        ("wss://h:1/p", "wss://h:1/p"),
        ("https://u:p@h/p?q=1#f", "https://********@h/p?********"),
        ("http://[::1", "********"),
    ],
)
def test_urls_lose_what_may_be_secret(text: str, shown: str) -> None:
    assert without_credentials(text) == shown

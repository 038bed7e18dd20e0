import gc
import socket
from pathlib import Path

import pytest

from sayna.api.services import Drain
from sayna.app import (
    COLLECTION_THRESHOLDS,
    CannotListen,
    create_app,
    listen,
    open_services,
    render_address,
    spare_collections,
)
from sayna.errors import SettingsInvalid
from sayna.settings.tree import Auth, Cache, Settings
from sayna.speech.protocols import AudioFormat


def test_an_address_that_is_taken_is_one_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"cannot listen on 127\.0\.0\.1:{port}: "):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "a b", "x" * 300])
def test_a_host_that_is_not_ours_is_one_clear_error(host: str) -> None:
    with pytest.raises(CannotListen) as refused:
        listen(host, 0)
    assert "\n" not in str(refused.value)


def test_port_zero_takes_any_free_one_also_on_version_six() -> None:
    for host in ("127.0.0.1", "::1"):
        with listen(host, 0) as taken:
            assert taken.getsockname()[1] > 0


def test_an_application_with_an_unusable_key_is_not_even_made(tmp_path: Path) -> None:
    broken = Auth(required=True, service_url="http://a", signing_key_path=tmp_path)
    with pytest.raises(SettingsInvalid):
        create_app(Settings(auth=broken))


def test_an_application_makes_its_cache_folder(tmp_path: Path) -> None:
    create_app(Settings(cache=Cache(path=tmp_path / "a" / "b")))
    assert (tmp_path / "a" / "b").is_dir()


def test_an_address_is_written_as_in_a_url() -> None:
    shown = [render_address(host, 80) for host in ("::1", "[::1]", "127.0.0.1", "localhost")]
    assert shown == ["[::1]:80", "[::1]:80", "127.0.0.1:80", "localhost:80"]


async def test_hooks_of_an_earlier_run_are_there_from_the_start(tmp_path: Path) -> None:
    (tmp_path / "sip_hooks.json").write_text('[{"host":"a","url":"https://u","auth_id":"t"}]')
    settings = Settings(cache=Cache(path=tmp_path))
    async with open_services(settings, Drain()) as services:
        assert [hook.host for hook in services.hooks.hooks] == ["a"]
        assert services.authenticator is None
        assert services.settings is settings


async def test_speech_of_an_earlier_run_is_there_again(tmp_path: Path) -> None:
    settings = Settings(cache=Cache(path=tmp_path))
    key = "ab" * 32
    async with open_services(settings, Drain()) as services:
        services.speech.keep(key, b"sound", AudioFormat("linear16", 16_000))
    async with open_services(settings, Drain()) as services:
        found = await services.speech.find(key)
    assert found is not None
    assert found.audio == b"sound"


def test_what_is_there_for_ever_is_not_looked_at_by_each_collection() -> None:
    before = gc.get_threshold()
    try:
        spare_collections()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold() == COLLECTION_THRESHOLDS
        assert gc.isenabled()
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()

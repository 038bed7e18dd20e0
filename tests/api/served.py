"""A whole server in the test's own event loop, with a scripted provider behind it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import uvicorn
from fastapi import FastAPI

from sayna.api.http_protocol import HttpProtocol
from sayna.api.sockets import upgrade_protocol
from sayna.app import create_app, listen
from sayna.settings.tree import Settings
from tests.fakes.scripted import ScriptedProvider, ScriptedRecognizer, ScriptedSynthesizer
from tests.fakes.session import Shelf, until

CONFIG: dict[str, Any] = {
    "type": "config",
    "stt_config": {
        "provider": "scripted",
        "language": "en-US",
        "sample_rate": 16000,
        "channels": 1,
        "punctuation": True,
        "encoding": "linear16",
        "model": "",
    },
    "tts_config": {"provider": "scripted", "model": "", "sample_rate": 16000},
}
CONFIG_TEXT = json.dumps(CONFIG)


@dataclass
class Served:
    """A running server."""

    app: FastAPI
    server: uvicorn.Server
    port: int
    provider: ScriptedProvider

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def stop(self) -> None:
        """Do what SIGTERM does."""
        self.server.should_exit = True

    async def wait_alone(self) -> None:
        """Wait until no connection is left."""
        state = self.server.server_state
        await until(lambda: not state.connections and not state.tasks)

    @property
    def leftovers(self) -> list[ScriptedRecognizer | ScriptedSynthesizer]:
        """What sessions have opened and not closed."""
        opened: list[ScriptedRecognizer | ScriptedSynthesizer] = [
            *self.provider.recognizers,
            *self.provider.synthesizers,
        ]
        return [one for one in opened if not one.closed]


@asynccontextmanager
async def serve(settings: Settings | None = None) -> AsyncGenerator[Served, None]:
    """Run a server on a free port of this machine."""
    app = create_app(settings or Settings())
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        app,
        http=HttpProtocol,
        ws=upgrade_protocol(app),
        loop="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
    )
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.serve([listener]))
        await until(lambda: server.started)
        provider = ScriptedProvider()
        services = app.state.services
        app.state.services = replace(services, registry=Shelf({"scripted": provider}))
        try:
            yield Served(app, server, listener.getsockname()[1], provider)
        finally:
            server.should_exit = True
            await running
            listener.close()

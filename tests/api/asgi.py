"""Asks the whole application in one process: no socket, but every layer of it."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

from fastapi import FastAPI
from starlette.types import Message

from sayna.app import create_app
from sayna.providers.catalogue import Catalogue
from sayna.providers.registry import Registry
from sayna.settings.tree import Settings
from sayna.speech.protocols import Provider

JSON = (b"content-type", b"application/json")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


class Shelf:
    """A registry of providers that are open already."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = {provider.name: provider for provider in providers}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._providers)

    def knows(self, name: str) -> bool:
        return name.lower() in self._providers

    async def get(self, name: str) -> Provider:
        return self._providers[name]


@dataclass(frozen=True)
class Client:
    """Sends requests straight into an application."""

    app: FastAPI

    async def ask(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> Answer:
        """Send a request; a body that is not bytes goes out as JSON with its content type."""
        sent = list(headers)
        raw = body if isinstance(body, bytes) else b""
        if body is not None and not isinstance(body, bytes):
            raw = json.dumps(body).encode()
            sent.append(JSON)
        path, _, query = target.encode("latin-1").partition(b"?")
        scope = {
            "type": "http",
            "method": method,
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "headers": sent,
            "root_path": "",
            "state": {},
        }
        inbox: list[Message] = [{"type": "http.request", "body": raw, "more_body": False}]
        outbox: list[Message] = []

        async def receive() -> Message:
            return inbox.pop() if inbox else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            outbox.append(message)

        await self.app(scope, receive, send)
        names = [(n.decode(), v.decode("latin-1")) for n, v in outbox[0]["headers"]]
        return Answer(
            outbox[0]["status"],
            dict(names),
            b"".join(message.get("body", b"") for message in outbox[1:]),
        )


@asynccontextmanager
async def open_client(
    settings: Settings | None = None, providers: Sequence[Provider] | None = None
) -> AsyncGenerator[Client, None]:
    """Run an application; `providers` take the place of the installed ones."""
    chosen = settings or Settings()
    app = create_app(chosen)
    async with app.router.lifespan_context(app):
        if providers is not None:
            registry = cast("Registry", Shelf(providers))
            app.state.services = replace(
                app.state.services, registry=registry, catalogue=Catalogue(registry, chosen)
            )
        yield Client(app)

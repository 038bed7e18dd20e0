"""The composition root: settings in, a running server out; all that lives long is opened here."""

import gc
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from typing_extensions import override

from sayna.api.authentication import Authentication
from sayna.api.http_protocol import HttpProtocol
from sayna.api.openapi import build_document
from sayna.api.request_log import RequestLog
from sayna.api.routes import add_routes
from sayna.api.routing import HeadAsGet, RawPath
from sayna.api.services import Drain, Services
from sayna.auth.opening import check_signing_key, open_authenticator
from sayna.errors import SaynaError
from sayna.providers.catalogue import Catalogue
from sayna.providers.registry import open_registry
from sayna.rooms.opening import open_rooms
from sayna.settings.tree import Settings
from sayna.storage.cache_folder import make_cache_folder
from sayna.storage.hooks_file import Hook, HooksFile
from sayna.storage.speech_cache import open_speech_cache

log = structlog.get_logger(__name__)

KEEP_ALIVE_S = 75
TEARDOWN_S = 8
"""Seconds for what follows once a session has said its last word: last results, Close, closing."""

COLLECTION_THRESHOLDS = 700, 10, 25
"""See `spare_collections`; Python's own are 700, 10, 10."""

MIDDLEWARE = [Middleware(kind) for kind in (RawPath, RequestLog, Authentication, HeadAsGet)]
"""Outermost first."""


class CannotListen(SaynaError):
    """The address is taken, not ours, or not an address."""

    code = "CANNOT_LISTEN"


class Sayna(FastAPI):
    """The application, whose document is built by us."""

    @override
    def openapi(self) -> dict[str, Any]:
        """Build the document once."""
        if self.openapi_schema is None:
            self.openapi_schema = build_document(self)
        return self.openapi_schema


def create_app(settings: Settings) -> FastAPI:
    """Return the ASGI application; its lifespan opens `app.state.services`.

    Raises:
        SettingsInvalid: what the settings name cannot be used: the signing key, the cache folder.
    """
    check_signing_key(settings.auth)
    make_cache_folder(settings.cache.path)
    drain = Drain()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
        async with open_services(settings, drain) as services:
            app.state.services = services
            yield

    app = Sayna(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=MIDDLEWARE,
        lifespan=lifespan,
    )
    app.state.drain = drain
    add_routes(app)
    return app


@asynccontextmanager
async def open_services(settings: Settings, drain: Drain) -> AsyncGenerator[Services, None]:
    """Open everything that requests share; close it in reverse."""
    hooks = HooksFile(settings.cache.path, _configured_hooks(settings))
    await hooks.load()
    async with (
        open_registry(settings) as registry,
        open_authenticator(settings.auth) as authenticator,
        open_speech_cache(settings.cache) as speech,
        open_rooms(settings.livekit) as rooms,
    ):
        yield Services(
            settings=settings,
            registry=registry,
            authenticator=authenticator,
            catalogue=Catalogue(registry, settings),
            hooks=hooks,
            speech=speech,
            rooms=rooms,
            drain=drain,
        )


def _configured_hooks(settings: Settings) -> list[Hook]:
    if settings.sip is None:
        return []
    return [Hook(hook.host, hook.url, hook.auth_id) for hook in settings.sip.hooks]


class Server(uvicorn.Server):
    """uvicorn's server that says when it listens and when it stops."""

    def __init__(
        self,
        config: uvicorn.Config,
        drain: Drain,
        on_started: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._drain = drain
        self._on_started = on_started

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then say so."""
        await super().startup(sockets)
        if self.started:
            self._on_started()
            spare_collections()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Announce the end, then wait for what still runs, at most the drain timeout."""
        log.info("draining", sockets=len(self._drain.sockets))
        self._drain.draining.set()
        await super().shutdown(sockets)
        self._captured_signals.clear()  # obeyed: uvicorn would die of them again, in vain


def spare_collections() -> None:
    """Have the garbage collector stop the process less often, and for less.

    A full collection looks at every object while no session gets a turn. With 200 sessions open it
    takes 120 ms of CPU, half of it for modules and documents that are there for ever, and one came
    for each 180 sessions opened. Those are set aside here, and one comes for each 450: in 1600
    sessions three, 330 ms in all, instead of eight, 820 ms. What closed sessions leave in cycles
    until then is 70 KiB each, 30 MiB at most. The two younger generations are collected as ever,
    in 1 to 3 ms: they take in more when they come less often.
    """
    gc.freeze()
    gc.set_threshold(*COLLECTION_THRESHOLDS)


def serve(
    settings: Settings, *, on_listening: Callable[[str, int], None] = lambda _host, _port: None
) -> None:
    """Serve until SIGTERM or Ctrl-C, then drain.

    Args:
        settings: what to serve with, and where.
        on_listening: called once with the address and port that are really listened on.

    Raises:
        CannotListen: the address cannot be had.
        SettingsInvalid: what the settings name cannot be used.
    """
    from sayna.api.sockets import upgrade_protocol

    app = create_app(settings)
    config = uvicorn.Config(
        app,
        http=HttpProtocol,
        ws=upgrade_protocol(app),
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=round(settings.session.drain_timeout_s) + TEARDOWN_S,
    )
    listener = listen(settings.server.host, settings.server.port)
    host, port = listener.getsockname()[:2]
    with listener:
        Server(config, app.state.drain, lambda: on_listening(host, port)).run([listener])


def listen(host: str, port: int) -> socket.socket:
    """Take an address; nobody is let in before the server starts on the socket.

    Raises:
        CannotListen: it is taken, not ours, or not an address.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise _cannot_listen(host, port, error) from None
    taken = socket.socket(family, kind, proto)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
    except OSError as error:
        taken.close()
        raise _cannot_listen(host, port, error) from None
    taken.setblocking(False)
    return taken


def _cannot_listen(host: str, port: int, error: Exception) -> CannotListen:
    why = error.strerror if isinstance(error, OSError) and error.strerror else "not an address"
    return CannotListen(f"cannot listen on {render_address(host, port)}: {why}")


def render_address(host: str, port: int) -> str:
    """Write an address the way URLs do: one of version 6 in brackets."""
    return f"[{host}]:{port}" if ":" in host and host[0] != "[" else f"{host}:{port}"

"""Hooks: who hears about the calls of which SIP domain.

Those of the settings are fixed; those set at run time live in `sip_hooks.json` below the cache
folder, a JSON array of `{"host", "url", "auth_id"}`, and never hold a secret.
"""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import structlog

from sayna.errors import InvalidRequest, NotConfigured, SaynaError

log = structlog.get_logger(__name__)

FILE_NAME = "sip_hooks.json"
DRAFT_NAME = "sip_hooks.tmp"
MAX_FILE_BYTES = 16 * 1024 * 1024
UNNAMED_TENANT = "default"


@dataclass(frozen=True, slots=True)
class Hook:
    """One SIP domain and the address that is told about its calls."""

    host: str
    url: str
    auth_id: str = ""


class HooksNotKept(SaynaError):
    """The hooks could not be written to disk; nothing has changed."""

    code = "HOOKS_NOT_KEPT"


class HookIsConfigured(SaynaError):
    """The hook is part of the settings and cannot be changed at run time."""

    code = "HOOK_IS_CONFIGURED"

    def __init__(self, hosts: Iterable[str]) -> None:
        names = ", ".join(sorted(set(hosts)))
        super().__init__(f"Host(s) {names} are part of the settings and cannot be changed here")


def normal_host(host: str) -> str:
    """Return a host the way hooks are looked up: trimmed, lower case."""
    return host.strip().lower()


class HooksFile:
    """The hooks in force. Changes are written before they count; one at a time."""

    def __init__(self, folder: Path | None, configured: Sequence[Hook] = ()) -> None:
        self._folder = folder
        self._configured = {
            host: Hook(host, hook.url, hook.auth_id.strip())
            for hook in configured
            if (host := normal_host(hook.host))
        }
        self._runtime: dict[str, Hook] = {}
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Read the file of an earlier run; a missing or broken one counts as empty."""
        if self._folder is not None:
            self._runtime = await asyncio.to_thread(self._read, self._folder)

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """Those of the settings in their order, then those set at run time by host."""
        extra = sorted(self._runtime.values(), key=lambda hook: hook.host)
        return (
            *self._configured.values(),
            *(hook for hook in extra if hook.host not in self._configured),
        )

    @property
    def kept(self) -> bool:
        """Whether there is a folder, so that hooks may be set at run time."""
        return self._folder is not None

    def check(self, hooks: Sequence[Hook]) -> None:
        """Look whether hooks may be put, before anything else is said about them.

        Raises:
            HookIsConfigured: a host belongs to the settings.
            InvalidRequest: a host occurs twice.
        """
        hosts = [normal_host(hook.host) for hook in hooks]
        self._refuse_configured(hosts)
        seen: set[str] = set()
        for host in hosts:
            if host in seen:
                raise InvalidRequest(f"Duplicate host detected: {host}")
            seen.add(host)

    async def put(self, hooks: Sequence[Hook]) -> tuple[Hook, ...]:
        """Add hooks, or replace those of the same host; return all that are in force.

        Raises:
            NotConfigured: there is no folder to keep them in.
            HookIsConfigured: a host belongs to the settings.
            InvalidRequest: a host occurs twice.
            HooksNotKept: the file could not be written.
        """
        folder = self._require_folder()
        self.check(hooks)
        fresh = {
            (host := normal_host(hook.host)): Hook(host, hook.url, hook.auth_id.strip())
            for hook in hooks
        }
        async with self._changing:
            kept = await asyncio.to_thread(self._read, folder)
            return await self._replace(folder, {**kept, **fresh})

    async def remove(self, hosts: Sequence[str]) -> tuple[Hook, ...]:
        """Forget hooks by host; unknown hosts are ignored. Return those that remain.

        Raises:
            NotConfigured: there is no folder to keep them in.
            HookIsConfigured: a host belongs to the settings.
            HooksNotKept: the file could not be written.
        """
        folder = self._require_folder()
        unwanted = {normal_host(host) for host in hosts}
        self._refuse_configured(unwanted)
        async with self._changing:
            kept = await asyncio.to_thread(self._read, folder)
            remaining = {host: hook for host, hook in kept.items() if host not in unwanted}
            return await self._replace(folder, remaining)

    def _require_folder(self) -> Path:
        if self._folder is None:
            raise NotConfigured("No cache path configured. Cannot persist SIP hooks.")
        return self._folder

    def _refuse_configured(self, hosts: Iterable[str]) -> None:
        if taken := [host for host in hosts if host in self._configured]:
            raise HookIsConfigured(taken)

    async def _replace(self, folder: Path, hooks: dict[str, Hook]) -> tuple[Hook, ...]:
        try:
            await asyncio.to_thread(_write, folder, list(hooks.values()))
        except OSError as error:
            log.error("hooks_not_written", reason=error.strerror)  # noqa: TRY400 - says enough
            raise HooksNotKept(f"Failed to write the hooks: {error.strerror}") from error
        self._runtime = hooks
        return self.hooks

    def _read(self, folder: Path) -> dict[str, Hook]:
        """Return the hooks of the file without those that the settings override."""
        hooks = _parse(folder / FILE_NAME)
        return {hook.host: hook for hook in hooks if hook.host not in self._configured}


def _parse(path: Path) -> list[Hook]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES)
        entries: object = json.loads(text) if text.strip() else []
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        log.warning("hooks_unreadable", kind=type(error).__name__)
        return []
    if not isinstance(entries, list):
        log.warning("hooks_unreadable", kind="not a list")
        return []
    parsed = [_parse_hook(entry) for entry in cast("list[object]", entries)]
    return [hook for hook in parsed if hook is not None]


def _parse_hook(entry: object) -> Hook | None:
    match entry:
        case {"host": str(host), "url": str(url), "auth_id": str(tenant)}:
            return Hook(normal_host(host), url, tenant.strip())
        case {"host": str(host), "url": str(url)}:
            return Hook(normal_host(host), url, UNNAMED_TENANT)
        case _:
            log.warning("hook_skipped")
            return None


def _write(folder: Path, hooks: Sequence[Hook]) -> None:
    """Write a draft beside the file, then let it take the file's place in one step."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / DRAFT_NAME
    entries = [asdict(hook) for hook in hooks]
    draft.write_text(json.dumps(entries, indent=2, ensure_ascii=False), encoding="utf-8")
    draft.replace(folder / FILE_NAME)

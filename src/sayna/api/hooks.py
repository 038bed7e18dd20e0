"""`/sip/hooks`: who hears about the calls of which SIP domain."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from sayna.api.answers import JSON_BODY, answers
from sayna.api.errors import JsonAnswer
from sayna.api.parsing import Body
from sayna.api.routing import JsonRoute
from sayna.api.services import Services, current_services
from sayna.errors import InvalidRequest, NotConfigured
from sayna.storage.hooks_file import Hook, normal_host

router = APIRouter(route_class=JsonRoute, tags=["sip"])

PROBLEMS = {
    **JSON_BODY,
    **answers(
        s400="A blank host or tenant, a host twice, an address that is not http(s), or no hosts",
        s405="A host is part of the settings",
        s500="No cache folder is configured, or it cannot be written",
    ),
}


class HookEntry(Body):
    """One SIP domain and who hears about its calls."""

    host: str = Field(examples=["tenant-b.example"])
    url: str = Field(examples=["https://hooks.tenant-b.example/sip"])
    auth_id: str = Field(
        default="",
        examples=["tenant-b"],
        description="Tenant of the rooms that these calls open; needed when auth is on.",
    )


class HooksRequest(Body):
    """Hooks to add, or to replace by host."""

    hooks: list[HookEntry] = Field(default_factory=list[HookEntry])


class HostsRequest(Body):
    """Hosts whose hooks are to be forgotten."""

    hosts: list[str] = Field(default_factory=list[str], examples=[["tenant-b.example"]])


class StoredHook(BaseModel):
    """One hook in force; its secret is never shown."""

    host: str = Field(examples=["tenant-b.example"])
    url: str = Field(examples=["https://hooks.tenant-b.example/sip"])
    auth_id: str = Field(examples=["tenant-b"])


class HooksAnswer(BaseModel):
    """All hooks in force: those of the settings, then those set at run time, by host."""

    hooks: list[StoredHook]


@router.get("/sip/hooks", summary="List the hooks", response_model=HooksAnswer)
async def list_hooks(services: Annotated[Services, Depends(current_services)]) -> Response:
    """Return every hook in force."""
    return _answer(services.hooks.hooks)


@router.post(
    "/sip/hooks",
    summary="Add or replace hooks",
    response_model=HooksAnswer,
    responses=PROBLEMS,
)
async def put_hooks(
    body: HooksRequest, services: Annotated[Services, Depends(current_services)]
) -> Response:
    """Add hooks; they count at once and survive a restart."""
    if not services.hooks.kept:
        raise NotConfigured("No cache path configured. Cannot persist SIP hooks.")
    if services.settings.auth.required:
        _require_tenants(body.hooks)
    hooks = [Hook(entry.host, entry.url, entry.auth_id) for entry in body.hooks]
    services.hooks.check(hooks)
    for hook in hooks:
        _check_target(hook)
    return _answer(await services.hooks.put(hooks))


@router.delete(
    "/sip/hooks",
    summary="Forget hooks",
    response_model=HooksAnswer,
    responses=PROBLEMS,
)
async def remove_hooks(
    body: HostsRequest, services: Annotated[Services, Depends(current_services)]
) -> Response:
    """Forget hooks by host; hosts that have none are ignored."""
    if not body.hosts:
        raise InvalidRequest("No hosts provided to delete.")
    return _answer(await services.hooks.remove(body.hosts))


def _require_tenants(entries: Sequence[HookEntry]) -> None:
    for entry in entries:
        if not entry.auth_id.strip():
            raise InvalidRequest(
                f"Hook for host '{entry.host}' has empty auth_id; it is needed when auth is on"
            )


def _check_target(hook: Hook) -> None:
    if not normal_host(hook.host):
        raise InvalidRequest("A hook needs a host")
    if not hook.url.lower().startswith(("http://", "https://")):
        raise InvalidRequest(f"The url for host '{hook.host}' must start with http:// or https://")


def _answer(hooks: Sequence[Hook]) -> Response:
    return JsonAnswer({"hooks": [asdict(hook) for hook in hooks]})

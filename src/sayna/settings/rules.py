"""What settings must be together, beyond what each must be alone."""

import os
from collections.abc import Iterator
from pathlib import Path

from sayna.settings.access import Auth
from sayna.settings.leaves import leaf_at
from sayna.settings.problems import Problem
from sayna.settings.recording import GcsBucket, Recording
from sayna.settings.telephony import Sip
from sayna.settings.tree import LiveKit, Settings
from sayna.settings.values import has_scheme

MIN_HOOK_SECRET_BYTES = 16


def find_problems(settings: Settings, folder: Path) -> Iterator[Problem]:
    """Yield everything that must stop the start; relative paths start at `folder`."""
    yield from delegation_problems(settings.auth, folder)
    yield from secret_problems(settings.auth)
    yield from storage_problems(settings.recording, folder)
    yield from cache_problems(settings, folder)
    yield from livekit_problems(settings.livekit)
    if settings.sip is not None:
        yield from sip_problems(settings.sip)
        yield from hook_problems(settings.sip, auth_required=settings.auth.required)


def problem(path: str, cure: str, *others: str) -> Problem:
    """Blame one setting, by path and variable; `others` are settings that the rule looked at."""
    return Problem((path, *others), f"{leaf_at(path).name}: {cure}")


def delegation_problems(auth: Auth, folder: Path) -> Iterator[Problem]:
    """Check the auth service: URL and key come together, and the key file exists."""
    url, key = "auth.service_url", "auth.signing_key_path"
    if auth.service_url is not None and auth.signing_key_path is None:
        yield problem(key, "is missing; the auth service needs a key that signs", url)
    if auth.signing_key_path is not None and auth.service_url is None:
        yield problem(url, "is missing; the signing key is of no use without the service", key)
    if auth.signing_key_path is not None and not exists(folder / auth.signing_key_path):
        yield problem(key, f"there is no file {auth.signing_key_path}")
    usable = auth.api_secrets or auth.service_url is not None or auth.signing_key_path is not None
    if auth.required and not usable:
        yield Problem(
            ("auth.required", "auth.api_secrets", "auth.api_secret", url, key),
            "auth.required (AUTH_REQUIRED): there is nothing to check callers against; set "
            "AUTH_API_SECRETS_JSON or AUTH_API_SECRET, or else AUTH_SERVICE_URL with "
            "AUTH_SIGNING_KEY_PATH",
        )


def secret_problems(auth: Auth) -> Iterator[Problem]:
    """Check the API secrets: each id and each secret is there, and is there once."""
    path = "auth.api_secrets" if auth.api_secret is None else "auth.api_secret_id"
    ids: set[str] = set()
    owners: dict[str, str] = {}
    for index, entry in enumerate(auth.api_secrets):
        where = f"entry {index}" if not entry.id.strip() else f"id {entry.id!r}"
        if not entry.id.strip():
            yield problem(path, f"the id of entry {index} is blank; name the tenant")
        elif entry.id != entry.id.strip():
            yield problem(path, f"{where} has whitespace around it; take it away")
        elif entry.id.lower() in ids:
            yield problem(path, f"{where} stands there twice; case does not count")
        ids.add(entry.id.lower())
        secret = entry.secret.get_secret_value()
        if not secret.strip():
            yield problem(path, f"the secret of {where} is blank")
        elif secret in owners:
            both = f"{owners[secret]} and {where}"
            yield problem(path, f"{both} have the same secret; give each its own")
        owners.setdefault(secret, where)


def storage_problems(recording: Recording, folder: Path) -> Iterator[Problem]:
    """Check the credentials of the recording backend."""
    match recording.backend:
        case GcsBucket(credentials_path=None, credentials_json=None):
            yield Problem(
                ("recording.backend.credentials_path", "recording.backend.credentials_json"),
                "recording.backend: gcs needs credentials; set RECORDING_GCS_CREDENTIALS_PATH "
                "or RECORDING_GCS_CREDENTIALS_JSON",
            )
        case GcsBucket(credentials_path=Path(), credentials_json=given) if given is not None:
            yield Problem(
                ("recording.backend.credentials_path", "recording.backend.credentials_json"),
                "recording.backend: gcs takes one kind of credentials; take out "
                "RECORDING_GCS_CREDENTIALS_PATH or RECORDING_GCS_CREDENTIALS_JSON",
            )
        case GcsBucket(credentials_path=Path() as path) if not readable(folder / path):
            yield problem("recording.backend.credentials_path", f"{path} cannot be read")
        case _:
            pass


def cache_problems(settings: Settings, folder: Path) -> Iterator[Problem]:
    """Check that the cache can be a folder; it is made when the server starts."""
    path = settings.cache.path
    if path is None:
        return
    wanted = folder / path
    nearest = next(place for place in (wanted, *wanted.parents) if exists(place))
    if not nearest.is_dir():
        shown = path if nearest == wanted else nearest
        yield problem("cache.path", f"{shown} is not a folder")


def livekit_problems(livekit: LiveKit) -> Iterator[Problem]:
    """Check that LiveKit can be asked, where it is to be used."""
    if livekit.configured and not has_scheme(livekit.url, "ws", "wss", "http", "https"):
        yield problem("livekit.url", "is not a complete ws, wss, http or https URL")


def sip_problems(sip: Sip) -> Iterator[Problem]:
    """Check what every call needs."""
    prefix, addresses = "sip.room_prefix", "sip.allowed_addresses"
    user, password = "sip.outbound_auth_username", "sip.outbound_auth_password"
    if not sip.room_prefix:
        yield problem(prefix, "is missing; it is needed as soon as any SIP setting is there")
    elif not all(letter.isalnum() or letter in "-_" for letter in sip.room_prefix):
        yield problem(prefix, "may hold letters, digits, - and _ only")
    if not sip.allowed_addresses:
        yield problem(addresses, "is missing; list the addresses that calls may come from")
    if sip.outbound_auth_username is not None and sip.outbound_auth_password is None:
        yield problem(password, "is missing; the user name needs it", user)
    if sip.outbound_auth_password is not None and sip.outbound_auth_username is None:
        yield problem(user, "is missing; the password needs it", password)


def hook_problems(sip: Sip, *, auth_required: bool) -> Iterator[Problem]:
    """Check that each hook stands alone for its domain, can sign, and has a tenant if need be."""
    hosts: set[str] = set()
    for hook in sip.hooks:
        if hook.host in hosts:
            yield problem("sip.hooks", f"host {hook.host!r} stands there twice")
        hosts.add(hook.host)
        secret = hook.secret or sip.hook_secret
        if secret is None:
            cure = "set SIP_HOOK_SECRET or give the hook its own"
            yield problem(
                "sip.hooks", f"host {hook.host!r} has no secret; {cure}", "sip.hook_secret"
            )
        elif (size := len(secret.get_secret_value().encode())) < MIN_HOOK_SECRET_BYTES:
            blamed = "sip.hooks" if hook.secret else "sip.hook_secret"
            yield problem(
                blamed,
                f"the secret for host {hook.host!r} has {size} bytes; "
                f"make it {MIN_HOOK_SECRET_BYTES} or more",
            )
        if auth_required and not hook.auth_id:
            yield problem("sip.hooks", f"host {hook.host!r} has no auth_id; auth.required needs it")


def find_warnings(settings: Settings, folder: Path) -> Iterator[str]:
    """Yield what is allowed but is probably not meant."""
    yield from auth_warnings(settings.auth)
    if (settings.livekit.api_key is None) != (settings.livekit.api_secret is None):
        yield "livekit.api_key and livekit.api_secret work together only; rooms stay off"
    for hook in settings.sip.hooks if settings.sip else ():
        if hook.url.startswith("http://"):
            yield f"sip.hooks: host {hook.host!r} is told over plain http; use https"
    for path in ("grammars_path", "models_path"):
        given: Path | None = getattr(settings.providers.local, path)
        if given is not None and not (folder / given).is_dir():
            yield f"providers.local.{path}: there is no folder {given}"


def auth_warnings(auth: Auth) -> Iterator[str]:
    """Yield warnings about credentials that will not be looked at."""
    if not auth.required and (auth.api_secrets or auth.service_url):
        yield "auth.required is off: callers are not checked, whatever else stands under auth"
    if auth.required and auth.api_secrets and auth.service_url:
        yield "auth.service_url is never asked while there are API secrets"
    if auth.service_url is not None and not has_scheme(auth.service_url, "http", "https"):
        yield "auth.service_url is not a complete http or https URL; every caller will be refused"


def exists(path: Path) -> bool:
    """Tell whether a path leads anywhere; one that may not be looked at does not."""
    return os.access(path, os.F_OK)


def readable(path: Path) -> bool:
    """Tell whether a path is a file that this process may read."""
    return path.is_file() and os.access(path, os.R_OK)

"""`hooks.toml`: the webhooks that are accepted, and how each is read.

Secrets are not in this file: each is in a variable or in its own file.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import SecretStr, ValidationError

from contracts.webhook_signature import SignatureRefused, verify
from gateway.hooks.paths import parse_path
from gateway.hooks.tables import SETTINGS, Generic, Secret, Settings, Signature, Splynx, Uisp
from gateway.toml_file import read_secret, read_toml
from producers.fields import FIELDS
from worker.errors import ConfigurationError

_SHORTEST_PATH_SECRET: Final = 20


@dataclass(frozen=True, slots=True, repr=False)
class Hook:
    """One webhook.

    Attributes:
        name: of the hook.
        settings: its table in the file.
        folder: of the file; paths in it are relative to this folder.
        endpoint_id: last part of its URL; a secret if nothing is signed.
        signing_secret: None if nothing is signed.
        api_secret: None if nothing is read at the vendor.
    """

    name: str
    settings: Settings
    folder: Path
    endpoint_id: SecretStr
    signing_secret: SecretStr | None = None
    api_secret: SecretStr | None = None

    @property
    def path(self) -> str:
        """The path that the vendor posts to."""
        endpoint = self.endpoint_id.get_secret_value()
        return f"/v1/hooks/{self.settings.adapter}/{endpoint}"

    def check_signature(self, headers: Mapping[str, str], body: bytes, now_s: float) -> None:
        """Check that a request is signed over its raw bytes, where that is required.

        Args:
            headers: by lower-case name.
            body: as it came.
            now_s: seconds since 1970.

        Raises:
            SignatureRefused: it is not.
        """
        signature = _signature(self.settings)
        if signature is None or self.signing_secret is None:
            return
        key = self.signing_secret.get_secret_value()
        if signature.scheme == "standard-webhooks":
            verify(key, headers, body, now_s)
            return
        given = headers.get(signature.header.lower(), "").removeprefix(signature.prefix)
        if signature.scheme == "token":
            wanted = key
        else:
            digest = hmac.digest(key.encode(), body, getattr(hashlib, signature.algorithm))
            hexadecimal = signature.encoding == "hex"
            wanted = digest.hex() if hexadecimal else base64.b64encode(digest).decode()
            given = given.strip().lower() if hexadecimal else given.strip()
        if not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "surrogateescape")):
            header = signature.header
            message = f"the header {header} does not match: check the secret on both sides"
            raise SignatureRefused("bad-signature", message)


def _signature(settings: Settings) -> Signature | None:
    """How requests are signed."""
    return None if isinstance(settings, Uisp) else settings.signature


def find_hook(hooks: Mapping[str, Hook], adapter: str, endpoint_id: str) -> Hook | None:
    """The hook of a path. All hooks are compared, so that the time reveals nothing."""
    found = None
    for hook in hooks.values():
        secret = hook.endpoint_id.get_secret_value().encode()
        if hmac.compare_digest(secret, endpoint_id.encode("utf-8", "surrogateescape")) and (
            hook.settings.adapter == adapter
        ):
            found = hook
    return found


def load_hooks(
    path: Path,
    *,
    sources: Mapping[str, str],
    environ: Mapping[str, str],
    on_secret: Callable[[str], None] = lambda _: None,
) -> dict[str, Hook]:
    """Read the file; hooks by name. Without a file there are none.

    Args:
        path: of `hooks.toml`.
        sources: source -> `revisions` or `times`, from the inventory.
        environ: variables that may have secrets.
        on_secret: called with each secret, so that logs leave it out.

    Raises:
        ConfigurationError: with every mistake.
    """
    content = read_toml(path)
    tables = content.pop("hooks", {})
    problems = [
        f"{path}: {name}: is not a key here; a hook is a table [hooks.NAME]" for name in content
    ]
    if not isinstance(tables, dict):
        raise ConfigurationError([f"{path}: hooks: must be tables [hooks.NAME]"])
    hooks: dict[str, Hook] = {}
    for name, table in tables.items():
        found = _Reader(path.parent, str(name), environ, on_secret)
        hook = found.hook(table, sources)
        problems += [f"{path}: hooks.{name}{message}" for message in found.problems]
        if hook is not None:
            hooks[str(name)] = hook
    paths = [hook.path for hook in hooks.values()]
    if len(set(paths)) < len(paths):
        problems.append(f"{path}: two hooks have the same path: give each its own secret")
    if problems:
        raise ConfigurationError(problems)
    return hooks


@dataclass(slots=True)
class _Reader:
    """Makes one hook, and collects the problems of its table."""

    folder: Path
    name: str
    environ: Mapping[str, str]
    on_secret: Callable[[str], None]
    problems: list[str] = field(default_factory=list)

    def hook(self, table: object, sources: Mapping[str, str]) -> Hook | None:
        try:
            settings = SETTINGS.validate_python(table)
        except ValidationError as error:
            for found in error.errors(include_input=False):
                # Pydantic names the chosen adapter as a part of the place.
                place = [str(part) for part in found["loc"]][1:]
                message = found["msg"]
                if found["type"].startswith("union_tag"):
                    place, message = ["adapter"], "must be uisp, splynx or generic"
                self.problems.append(f".{'.'.join(place)}: {message}")
            return None
        self.problems += _problems_between_keys(settings, sources)
        signature = _signature(settings)
        signing = self._secret(".signature.secret", signature.secret if signature else None)
        api = None if isinstance(settings, Generic) else settings.api
        api_secret = self._secret(".api.secret", api.secret if api else None)
        path_secret = self._secret(".path_secret", settings.path_secret)
        if signature is None and path_secret is None:
            self.problems.append(
                ".path_secret: is missing; this webhook is not signed, so its path must be secret"
            )
        if path_secret and len(path_secret.get_secret_value()) < _SHORTEST_PATH_SECRET:
            self.problems.append(f".path_secret: has under {_SHORTEST_PATH_SECRET} characters")
        return Hook(
            self.name,
            settings,
            self.folder,
            endpoint_id=path_secret or SecretStr(self.name),
            signing_secret=signing,
            api_secret=api_secret,
        )

    def _secret(self, place: str, where: Secret | None) -> SecretStr | None:
        if where is None:
            return None
        if (where.env is None) == (where.file is None):
            self.problems.append(f"{place}: give either env, the name of a variable, or file")
            return None
        found, what = read_secret(where.env, where.file, self.folder, self.environ)
        if not found:
            self.problems.append(f"{place}: {what} is empty or cannot be read")
            return None
        self.on_secret(found)
        return SecretStr(found)


def _problems_between_keys(settings: Settings, sources: Mapping[str, str]) -> Iterator[str]:
    order = sources.get(settings.source)
    if order is None:
        yield f".source: {settings.source} is not in [sources] of the inventory; add it there"
    elif order != "revisions" and not isinstance(settings, Generic):
        yield '.source: must have order = "revisions", as its services are read at the vendor'
    match settings:
        case Uisp():
            if "mac" not in settings.attributes:
                yield ".attributes.mac: is missing: the custom attribute that holds the MAC"
            if "router" not in settings.attributes and settings.router is None:
                yield ".router: is missing; or set attributes.router, and its values in [routers]"
        case Splynx():
            if not settings.routers and settings.router is None:
                yield ".routers: is missing: Splynx's router ids and our names for them"
        case Generic():
            yield from _problems_of_mapping(settings, order)


def _problems_of_mapping(settings: Generic, order: str | None) -> Iterator[str]:
    known: tuple[str, ...] = (*FIELDS, "id", "time")
    for table, names in (("fields", settings.fields), ("constants", settings.constants)):
        for name in names:
            if name not in known:
                yield f".{table}.{name}: is not a field; fields are {', '.join(known)}"
    for name, path in settings.fields.items():
        if parse_path(path) is None:
            yield f".fields.{name}: is not a path; write it like data.items[name=mac].value"
    if "event" not in settings.fields and "event" not in settings.constants:
        yield ".fields.event: is missing: the field that names the event"
    if "service_id" not in settings.fields:
        yield ".fields.service_id: is missing"
    if order == "revisions" and "revision" not in settings.fields:
        yield ".fields.revision: is missing: the source counts revisions"
    if order == "times" and "time" not in settings.fields:
        yield ".fields.time: is missing: the source's events are ordered by their time"

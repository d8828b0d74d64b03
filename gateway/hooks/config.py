"""`hooks.toml`: the webhooks that are taken in, and how each is read.

No secret stands in the file: each is in a variable or in a file of its own.
"""

import hmac
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr, ValidationError

from gateway.hooks.paths import parse_path
from gateway.hooks.tables import SETTINGS, Generic, Secret, Settings, Signature, Splynx, Uisp
from producers.fields import FIELDS

_SHORTEST_PATH_SECRET: Final = 20


class HooksConfigError(Exception):
    """`hooks.toml` cannot be used; `problems` has a line for every mistake."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


@dataclass(frozen=True, slots=True, repr=False)
class Hook:
    """One webhook.

    Attributes:
        name: as people call it.
        settings: what the file says.
        folder: of the file: others that it names are relative to it.
        endpoint_id: last part of its path; a secret, where nothing is signed.
        signing_secret: None where nothing is signed.
        api_secret: None where nothing is read again.
    """

    name: str
    settings: Settings
    folder: Path
    endpoint_id: SecretStr
    signing_secret: SecretStr | None = None
    api_secret: SecretStr | None = None

    @property
    def id(self) -> str:
        """For the limit of its rate."""
        return f"hook {self.name}"

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.settings.rate

    @property
    def signature(self) -> Signature | None:
        """How it is signed."""
        return None if isinstance(self.settings, Uisp) else self.settings.signature

    @property
    def path(self) -> str:
        """Where the vendor posts to."""
        endpoint = self.endpoint_id.get_secret_value()
        return f"/v1/hooks/{self.settings.adapter}/{endpoint}"


def find_hook(hooks: Mapping[str, Hook], adapter: str, endpoint_id: str) -> Hook | None:
    """The hook of a path. Every candidate is compared: how long it takes tells nothing."""
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
    """Read the file; hooks by name.

    Args:
        path: of `hooks.toml`.
        sources: source -> `revisions` or `times`, as the inventory has them.
        environ: where secrets are looked up.
        on_secret: told each secret, so that logs leave it out.

    Raises:
        HooksConfigError: with every mistake.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise HooksConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except ValueError as error:
        raise HooksConfigError([f"{path}: is not valid TOML: {error}"]) from None
    tables = content.pop("hooks", {})
    problems = [f"{path}: {name}: is no key; a hook is a table [hooks.NAME]" for name in content]
    if not isinstance(tables, dict):
        raise HooksConfigError([f"{path}: hooks: must be tables [hooks.NAME]"])
    hooks: dict[str, Hook] = {}
    for name, table in tables.items():
        found = _Reader(path, str(name), environ, on_secret)
        hook = found.hook(table, sources)
        problems += [f"{path}: hooks.{name}{message}" for message in found.problems]
        if hook is not None:
            hooks[str(name)] = hook
    paths = [hook.path for hook in hooks.values()]
    if len(set(paths)) < len(paths):
        problems.append(f"{path}: two hooks have one path: give each a secret of its own")
    if problems:
        raise HooksConfigError(problems)
    return hooks


class _Reader:
    """Makes one hook, and collects what is wrong with it."""

    def __init__(
        self,
        path: Path,
        name: str,
        environ: Mapping[str, str],
        on_secret: Callable[[str], None],
    ) -> None:
        self._folder = path.parent
        self._name = name
        self._environ = environ
        self._on_secret = on_secret
        self.problems: list[str] = []

    def hook(self, table: object, sources: Mapping[str, str]) -> Hook | None:
        try:
            settings = SETTINGS.validate_python(table)
        except ValidationError as error:
            for found in error.errors(include_input=False):
                # Pydantic names the chosen adapter as if it were a step.
                place = [str(part) for part in found["loc"]][1:]
                message = found["msg"]
                if found["type"].startswith("union_tag"):
                    place, message = ["adapter"], "must be uisp, splynx or generic"
                self.problems.append(f".{'.'.join(place)}: {message}")
            return None
        self.problems += _problems_between_keys(settings, sources)
        signature = None if isinstance(settings, Uisp) else settings.signature
        signing = self._secret(".signature.secret", signature.secret if signature else None)
        api = None if isinstance(settings, Generic) else settings.api
        api_secret = self._secret(".api.secret", api.secret if api else None)
        path_secret = self._secret(".path_secret", settings.path_secret)
        if signature is None and path_secret is None:
            self.problems.append(
                ".path_secret: is missing; nothing signs this webhook, so its path must be secret"
            )
        if path_secret and len(path_secret.get_secret_value()) < _SHORTEST_PATH_SECRET:
            self.problems.append(f".path_secret: has under {_SHORTEST_PATH_SECRET} characters")
        return Hook(
            self._name,
            settings,
            self._folder,
            endpoint_id=path_secret or SecretStr(self._name),
            signing_secret=signing,
            api_secret=api_secret,
        )

    def _secret(self, place: str, where: Secret | None) -> SecretStr | None:
        if where is None:
            return None
        if (where.env is None) == (where.file is None):
            self.problems.append(f"{place}: name either env, a variable, or file")
            return None
        if where.env is not None:
            found, what = self._environ.get(where.env, ""), f"the variable {where.env}"
        else:
            file = self._folder / (where.file or "")
            what = f"the file {file}"
            try:
                found = file.read_text("utf-8")
            except (OSError, UnicodeDecodeError):
                found = ""
        found = found.strip()
        if not found:
            self.problems.append(f"{place}: {what} is empty or cannot be read")
            return None
        self._on_secret(found)
        return SecretStr(found)


def _problems_between_keys(settings: Settings, sources: Mapping[str, str]) -> Iterator[str]:
    order = sources.get(settings.source)
    if order is None:
        yield f".source: {settings.source} is not in [sources] of the inventory; add it there"
    elif order != "revisions" and not isinstance(settings, Generic):
        yield '.source: what is read again has tickets for revisions: give it order = "revisions"'
    match settings:
        case Uisp():
            if "mac" not in settings.attributes:
                yield ".attributes.mac: is missing: the custom attribute that holds the MAC"
            if "router" not in settings.attributes and settings.router is None:
                yield ".router: is missing; or name attributes.router, and [routers] for its values"
        case Splynx():
            if not settings.routers and settings.router is None:
                yield ".routers: is missing: Splynx's router ids, and our names for them"
        case Generic():
            yield from _problems_of_mapping(settings, order)


def _problems_of_mapping(settings: Generic, order: str | None) -> Iterator[str]:
    known: tuple[str, ...] = (*FIELDS, "id", "time")
    for table, names in (("fields", settings.fields), ("constants", settings.constants)):
        for name in names:
            if name not in known:
                yield f".{table}.{name}: is no field; there are {', '.join(known)}"
    for name, path in settings.fields.items():
        if parse_path(path) is None:
            yield f".fields.{name}: is no path; write it like data.items[name=mac].value"
    if "event" not in settings.fields and "event" not in settings.constants:
        yield ".fields.event: is missing: what tells the events apart"
    if "service_id" not in settings.fields:
        yield ".fields.service_id: is missing"
    if order == "revisions" and "revision" not in settings.fields:
        yield ".fields.revision: is missing: the source counts revisions"
    if order == "times" and "time" not in settings.fields:
        yield ".fields.time: is missing: the source's events are ordered by their time"

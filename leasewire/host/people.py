"""`leasewire people`: who may log in to the console."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from leasewire.answer import Answer, App, TextTable, bad_input, fail
from leasewire.context import ActorOption, Context, check_extra
from leasewire.given_files import password_in

if TYPE_CHECKING:
    from gateway.console.people import People, Role

app = App("People of the console: who may log in, and what each may do.")

_ROLES: Final = ("viewer", "operator", "admin")
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="In lower case, such as anna.k.")]
RoleOption = Annotated[
    str,
    typer.Option(
        "--role",
        metavar="|".join(_ROLES),
        help="viewer reads; operator also decides; admin also manages people and API keys.",
    ),
]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="Its first line is the password. Default: ask for it.",
        show_default=False,
    ),
]


@app.command()
def add(
    name: NameArgument,
    *,
    role: RoleOption,
    password_file: PasswordFileOption = None,
    actor: ActorOption = "",
) -> Answer:
    """Add a person. The password is asked for, or read from a file.

    Redis keeps only a hash of it (argon2id).

    Example: leasewire people add anna.k --role operator
    """
    context = Context()
    people, chosen = _people(context), _role(role)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")  # noqa: TID251 - a command reads the clock
    person = people.add(name, chosen, _password(password_file), now)
    context.store.audit.record(actor, "person.added", name, role)
    return Answer(person.document(), [f"{name} is {role}."])


@app.command("list")
def list_() -> Answer:
    """List people and their roles.

    Example: leasewire people list
    """
    people = [person.document() for person in _people(Context()).all()]
    empty = "Nobody yet: leasewire people add NAME --role admin"
    table = TextTable(people, "name, role, added at=created_at", empty)
    return Answer({"people": people}, [table])


@app.command("role")
def role_command(
    name: NameArgument,
    role: Annotated[str, typer.Argument(metavar="ROLE", help=f"{', '.join(_ROLES)}.")],
    *,
    actor: ActorOption = "",
) -> Answer:
    """Change a person's role, at once for open sessions too.

    Example: leasewire people role anna.k admin
    """
    context = Context()
    if not _people(context).set_role(name, _role(role)):
        _fail_unknown(name)
    context.store.audit.record(actor, "person.role_changed", name, role)
    return Answer({"name": name, "role": role}, [f"{name} is {role} now."])


@app.command()
def password(
    name: NameArgument,
    *,
    password_file: PasswordFileOption = None,
    actor: ActorOption = "",
) -> Answer:
    """Change a person's password, and end their sessions.

    Example: leasewire people password anna.k
    """
    context = Context()
    people = _people(context)
    if people.find(name) is None or not people.set_password(name, _password(password_file)):
        _fail_unknown(name)
    context.store.audit.record(actor, "person.password_changed", name)
    return Answer({"name": name}, [f"{name} has another password, and must log in again."])


@app.command()
def remove(name: NameArgument, *, actor: ActorOption = "") -> Answer:
    """Remove a person, and end their sessions.

    Example: leasewire people remove anna.k
    """
    context = Context()
    if not _people(context).remove(name):
        _fail_unknown(name)
    context.store.audit.record(actor, "person.removed", name)
    return Answer({"name": name, "removed": True}, [f"{name} is removed, and logged out."])


def _people(context: Context) -> "People":
    check_extra("console", "people of the console need argon2-cffi", "argon2")
    from gateway.console.people import People  # noqa: PLC0415 - in the extra `console`

    return People(context.store.client, context.settings.key_prefix)


def _role(text: str) -> "Role":
    if text not in _ROLES:
        bad_input(f"role {text}: write one of {', '.join(_ROLES)}")
    from gateway.console.people import Role  # noqa: PLC0415 - in the extra `console`

    return Role(text)


def _fail_unknown(name: str) -> None:
    fail(f"There is no person {name}; see `leasewire people list`.")


def _password(file: Path | None) -> str:
    """The password from a file, or asked for twice."""
    if file is not None:
        return password_in(file)
    if not sys.stdin.isatty():
        bad_input("There is no terminal to ask for the password: use --password-file FILE.")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))

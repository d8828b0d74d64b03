"""Page `people`, for admins: who may log in, and with which role."""

from collections.abc import Callable
from typing import Annotated, Final

import htpy as h
from fastapi import Query
from htpy import Node

from gateway.api.problems import Refused
from gateway.api.responses import Document
from gateway.console import layout as ui
from gateway.console.console import Console, Viewer
from gateway.console.pages import Done, Form, NotDone, PageNumber, Pages, page_of
from gateway.console.people import Person, Role

Id = Annotated[str, Query(max_length=64, description="Name of the person")]
_PEOPLE: Final = ui.address("/people")


class PeoplePages(Pages):
    """Reads and changes people."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.page("/people", self.all, show_people, title="People", role=Role.ADMIN)
        self.page("/person", self.person, show_person, title="{name}", role=Role.ADMIN)
        for path, change in (
            ("/person/role", self.set_role),
            ("/person/remove", self.remove),
            ("/person/end-sessions", self.end_sessions),
        ):
            self.action(path, change, role=Role.ADMIN)

    def all(self, page: PageNumber = 1) -> Document:
        """One page of the people, by name."""
        return page_of("people", self.console.people.all(), page, Person.document)

    def person(self, id: Id) -> Document:  # noqa: A002 - as the query has it
        """One person."""
        person = self.console.people.find(id)
        if person is None:
            raise Refused("not-found", "there is no such person: see People")
        return person.document()

    def set_role(self, viewer: Viewer, form: Form) -> Done:
        """Give a person another role, at once."""
        person = self._chosen(form)
        role = form.get("role", "")
        if role not in list(Role):
            raise NotDone(f"The role is none of {', '.join(Role)}.", _at(person))
        if role != Role.ADMIN:
            self._check_not_last(person)
        self._change(
            *(viewer, person, "person.role_changed", role),
            lambda name: self.console.people.set_role(name, Role(role)),
        )
        return Done(f"{person.name} is {role} now.", _PEOPLE)

    def remove(self, viewer: Viewer, form: Form) -> Done:
        """Remove a person, and end their sessions."""
        person = self._chosen(form)
        self._check_not_last(person)
        self._change(viewer, person, "person.removed", "", self.console.people.remove)
        return Done(f"{person.name} is removed, and logged out.", _PEOPLE)

    def end_sessions(self, viewer: Viewer, form: Form) -> Done:
        """Log a person out everywhere."""
        person = self._chosen(form)
        self._change(viewer, person, "person.sessions_ended", "", self.console.people.end_sessions)
        return Done(f"{person.name} must log in again everywhere.", _PEOPLE)

    def _change(
        self, viewer: Viewer, person: Person, what: str, detail: str, change: Callable[[str], bool]
    ) -> None:
        if not change(person.name):
            raise NotDone(f"There is no person {person.name} any more.", _PEOPLE)
        self.console.store.audit.record(viewer.actor, what, person.name, detail)

    def _chosen(self, form: Form) -> Person:
        person = self.console.people.find(form.get("id", ""))
        if person is None:
            raise NotDone("There is no such person any more.", _PEOPLE)
        return person

    def _check_not_last(self, person: Person) -> None:
        admins = [other.name for other in self.console.people.all() if other.role is Role.ADMIN]
        if admins == [person.name]:
            raise NotDone(
                f"Nothing was changed: {person.name} is the last admin. Make somebody else admin "
                "first.",
                _at(person),
            )


def _at(person: Person) -> str:
    return ui.address("/person", id=person.name)


def show_people(document: Document, viewer: Viewer) -> Node:
    """The people, and how to add one."""
    rows = [
        {
            "Name": ui.link("/person", person["name"], id=person["name"]),
            "Role": person["role"],
            "Added": ui.moment(person["created_at"], viewer),
        }
        for person in document["people"]
    ]
    return [
        h.p["Add a person: ", h.code["leasewire people add NAME --role viewer"]],
        ui.table("People", rows),
        ui.pager("/people", document),
    ]


def show_person(document: Document, viewer: Viewer) -> Node:
    """One person with what an admin may change."""
    name = document["name"]
    hidden = {"id": name}
    roles = {role.value: role.value for role in Role}
    return [
        ui.note("warning", "This is you.") if name == viewer.name else None,
        ui.fields(("Role", document["role"]), ("Added", ui.moment(document["created_at"], viewer))),
        h.h2["Change the role"],
        ui.confirm_form(
            viewer,
            "/person/role",
            hidden,
            "Change the role",
            asked=ui.choice("Role", "role", roles, document["role"]),
            reason=False,
        ),
        h.h2["End all sessions"],
        h.p[f"{name} is logged out everywhere, and may log in again."],
        ui.confirm_form(
            viewer, "/person/end-sessions", hidden, "End all sessions", reason=False, danger=True
        ),
        h.h2["Remove"],
        h.p[f"{name} is logged out and cannot log in any more. What {name} did stays on record."],
        ui.confirm_form(
            viewer, "/person/remove", hidden, f"Remove {name}", reason=False, danger=True
        ),
        h.p["A new password: ", h.code[f"leasewire people password {name}"]],
    ]

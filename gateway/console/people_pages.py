"""Page `people`, for admins: who may log in, and with which role."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

import htpy as h
from fastapi import Query, Request
from htpy import Node

from gateway.api.problems import Refused
from gateway.api.responses import Document
from gateway.console.console import Console, Viewer
from gateway.console.layout import confirm_form, fields, link, moment, note, pager, table
from gateway.console.pages import PAGE_SIZE, Done, Form, NotDone, PageNumber, Pages
from gateway.console.people import Person, Role

Id = Annotated[str, Query(max_length=64, description="Name of the person")]


class PeoplePages:
    """Reads and changes people.

    Args:
        console: has the people and the audit trail.
    """

    def __init__(self, console: Console) -> None:
        self._people = console.people
        self._audit = console.store.audit

    def add_to(self, pages: Pages) -> None:
        """Add the pages and the writes."""
        pages.page("/people", self.all, show_people, title="People", role=Role.ADMIN)
        pages.page("/person", self.person, show_person, title="{name}", role=Role.ADMIN)
        for path, change in (
            ("/person/role", self.set_role),
            ("/person/remove", self.remove),
            ("/person/end-sessions", self.end_sessions),
        ):
            pages.action(path, change, role=Role.ADMIN)

    def all(self, request: Request, page: PageNumber = 1) -> Document:
        """One page of the people, by name."""
        del request
        found = self._people.all()
        start = (page - 1) * PAGE_SIZE
        shown = found[start : start + PAGE_SIZE]
        return {
            "people": [person.document() for person in shown],
            "page": page,
            "more": len(found) > start + PAGE_SIZE,
        }

    def person(self, request: Request, id: Id) -> Document:  # noqa: A002 - as the query has it
        """One person."""
        del request
        person = self._people.find(id)
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
        self._change(viewer, person, "person.role_changed", role, self._set(role))
        return Done(f"{person.name} is {role} now.", "/people")

    def remove(self, viewer: Viewer, form: Form) -> Done:
        """Remove a person, and end their sessions."""
        person = self._chosen(form)
        self._check_not_last(person)
        self._change(viewer, person, "person.removed", "", self._people.remove)
        return Done(f"{person.name} is removed, and logged out.", "/people")

    def end_sessions(self, viewer: Viewer, form: Form) -> Done:
        """Log a person out everywhere."""
        person = self._chosen(form)
        self._change(viewer, person, "person.sessions_ended", "", self._people.end_sessions)
        return Done(f"{person.name} must log in again everywhere.", "/people")

    def _set(self, role: str) -> Callable[[str], bool]:
        return lambda name: self._people.set_role(name, Role(role))

    def _change(
        self, viewer: Viewer, person: Person, what: str, detail: str, change: Callable[[str], bool]
    ) -> None:
        if not change(person.name):
            raise NotDone(f"There is no person {person.name} any more.", "/people")
        self._audit.record(viewer.actor, what, person.name, detail)

    def _chosen(self, form: Form) -> Person:
        person = self._people.find(form.get("id", ""))
        if person is None:
            raise NotDone("There is no such person any more.", "/people")
        return person

    def _check_not_last(self, person: Person) -> None:
        admins = [other.name for other in self._people.all() if other.role is Role.ADMIN]
        if admins == [person.name]:
            raise NotDone(
                f"Nothing was changed: {person.name} is the last admin. Make somebody else admin "
                "first.",
                _at(person),
            )


def _at(person: Person) -> str:
    return f"/person?{urlencode({'id': person.name})}"


def show_people(document: Mapping[str, Any], viewer: Viewer) -> Node:
    """The people, and how to add one."""
    rows = [
        (
            link("/person", person["name"], id=person["name"]),
            person["role"],
            moment(person["created_at"], viewer),
        )
        for person in document["people"]
    ]
    return [
        h.p["Add a person: ", h.code["leasewire people add NAME --role viewer"]],
        table("People", ("Name", "Role", "Added"), rows),
        pager("/people", document["page"], more=document["more"]),
    ]


def show_person(document: Mapping[str, Any], viewer: Viewer) -> Node:
    """One person with what an admin may change."""
    name = document["name"]
    hidden = {"id": name}
    roles = [h.option(value=role, selected=role == document["role"])[role] for role in Role]
    return [
        note("warning", "This is you.") if name == viewer.name else None,
        fields([("Role", document["role"]), ("Added", moment(document["created_at"], viewer))]),
        h.h2["Change the role"],
        confirm_form(
            viewer,
            "/person/role",
            hidden,
            "Change the role",
            asked=h.label["Role", h.select(name="role")[roles]],
            reason=False,
        ),
        h.h2["End all sessions"],
        h.p[f"{name} is logged out everywhere, and may log in again."],
        confirm_form(
            viewer, "/person/end-sessions", hidden, "End all sessions", reason=False, danger=True
        ),
        h.h2["Remove"],
        h.p[f"{name} is logged out and cannot log in any more. What {name} did stays on record."],
        confirm_form(viewer, "/person/remove", hidden, f"Remove {name}", reason=False, danger=True),
        h.p["A new password: ", h.code[f"leasewire people password {name}"]],
    ]

"""`leasewire people`: passwords come from a file or a prompt, and are never shown."""

import pytest

from gateway.console.people import People

pytestmark = [pytest.mark.redis, pytest.mark.router]

PASSWORD = "correct horse battery"


@pytest.fixture
def password_file(tmp_path):
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    return str(path)


def test_a_person_is_added_changed_and_removed(world, leasewire, client, prefix, password_file):
    people, of_file = People(client, prefix), ("--password-file", password_file)
    added = leasewire(
        "people", "add", "anna.k", "--role", "viewer", "--password-file", password_file
    )
    assert added.code == 0, added.err
    assert people.check("anna.k", PASSWORD).role == "viewer"
    assert leasewire("people", "role", "anna.k", "admin").code == 0
    (listed,) = leasewire("people", "list", "--json").document["people"]
    assert listed.keys() == {"name", "role", "created_at"}
    assert (listed["name"], listed["role"]) == ("anna.k", "admin")
    twice = leasewire(
        "people", "add", "anna.k", "--role", "admin", "--password-file", password_file
    )
    assert (
        twice.code,
        "There is a person anna.k already; see `leasewire people list`." in twice.err,
    ) == (2, True)
    before = people.find("anna.k").login_version
    changed = leasewire("people", "password", "anna.k", *of_file)
    assert changed.code == 0
    assert people.find("anna.k").login_version != before
    assert leasewire("people", "remove", "anna.k").code == 0
    assert people.all() == []
    assert leasewire("people", "remove", "anna.k").code == 1
    assert [entry.what for entry in world.context.store.audit.entries()] == [
        "person.removed",
        "person.password_changed",
        "person.role_changed",
        "person.added",
    ]
    assert PASSWORD not in str([*world.context.store.audit.entries()])


def test_what_is_wrong_is_said(world, leasewire, tmp_path, password_file):
    short = tmp_path / "short"
    short.write_text("secret-3f9\n")

    def add(*arguments):
        return leasewire("people", "add", *arguments)

    of_file = ("--role", "viewer", "--password-file")
    answers = {
        "12 to 200 characters": add("anna", *of_file, str(short)),
        "cannot be read": add("anna", *of_file, str(tmp_path / "none")),
        "a name has": add("Anna K", *of_file, password_file),
        "viewer, operator, admin": add("anna", "--role", "boss", "--password-file", password_file),
        "no terminal": add("anna", "--role", "viewer"),
        "no person anna": leasewire("people", "role", "anna", "admin"),
    }
    for message, answer in answers.items():
        assert message in answer.err, (message, answer)
        assert answer.code in (1, 2)
        assert "secret-3f9" not in answer.err + answer.out
    assert leasewire("people", "list", "--json").document == {"people": []}

"""`leasewire upgrade`: whether an upgrade may begin, and whether it is complete."""

from typing import Final

from leasewire.answer import Answer, App, Exit, Fields, Part, TextTable
from leasewire.context import Context
from worker.admin.upgrade import in_words, read_upgrade

app = App("Check an upgrade of all processes to the version of this command.")

_CODES: Final = {
    "complete": Exit.OK,
    "may-begin": Exit.CHANGES,
    "under-way": Exit.CHANGES,
    "blocked": Exit.FAILED,
}


@app.command()
def check() -> Answer:
    """Show which versions run, and whether the upgrade to this version may begin or is complete.

    Run it with the new version. Exit 0: it is complete; 4: it may begin, or is under way; 1: it may
    not, and each reason is a line.

    Example: leasewire upgrade check --json
    """
    document = read_upgrade(Context().any_store)
    facts = Fields(
        {
            "this version": document["version"],
            "reads store formats": document["reads"],
            "store format in use": document["store_format"],
        }
    )
    processes = TextTable(
        document["processes"],
        "process=name, version, reads, silent since=silent_since",
        empty="No process runs.",
    )
    code = _CODES[document["state"]]
    text: list[Part] = [*in_words(document), "", facts, "", processes]
    return Answer(document, text, code, document["problems"])

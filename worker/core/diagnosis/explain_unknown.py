"""Explains a MAC address, an IP address, a prefix or an id that no service has."""

from collections.abc import Mapping, Sequence

from worker.core.diagnosis.facts import Explanation
from worker.core.rows.observed import Observation, SeenRow
from worker.core.rows.rows import BindingRow, Row
from worker.core.service.outcome import DeadLetter


def explain_unknown(
    subject: str,
    seen: Mapping[str, Observation],
    silent: Mapping[str, str],
    dead_letters: Sequence[DeadLetter] = (),
    installation: str = "",
) -> Explanation:
    """Return what is known of it.

    A row with our tag and without a service is an orphan.
    """
    if dead_letters:
        dead_letter = dead_letters[0]
        return Explanation(
            "rejected",
            f"No service has {subject}: an event that names it was rejected "
            f"({dead_letter.reason}): {dead_letter.detail}",
            f"see `leasewire dead-letters show {dead_letter.id}`, correct the event and send it",
        )
    rows = [(router, row) for router, found in seen.items() for row in found.rows]
    bindings = [
        (router, row)
        for router, found in seen.items()
        for row in (found.ipv6.rows if found.ipv6 is not None else ())
        if row.address in (subject, f"{subject}/128")
    ]
    advice = "if a customer should have it, the BSS must send service.activated"
    unasked = f"; {len(silent)} did not answer ({', '.join(sorted(silent))})" if silent else ""
    if not rows and not bindings:
        which = "the router that was" if len(seen) == 1 else f"the {len(seen)} routers that were"
        asked = f", and no row on {which} read has it" if seen else ""
        sentence = f"{subject} is unknown: no service has it, no event names it{asked}{unasked}"
        return Explanation("unknown", sentence, advice)
    named = [(router, _row(row, installation)) for router, row in rows]
    named += [(router, _binding(row, installation)) for router, row in bindings]
    found_rows = "; ".join(f"router {router} has {text}" for router, text in named)
    found_any = [*(row.lease for _, row in rows), *(row for _, row in bindings)]
    orphan = any(row.own_tag(installation) is not None for row in found_any)
    code = "orphan-row" if orphan else "not-ours"
    return Explanation(code, f"No service has {subject}, but {found_rows}{unasked}", advice)


def _row(row: SeenRow, installation: str) -> str:
    held = f", used by {row.active_mac} as {row.active_address}" if row.active_address else ""
    return f"{row.lease.name}, {_whose(row.lease, installation, 'lease')}{held}"


def _binding(row: BindingRow, installation: str) -> str:
    held = f", used by {row.client_address}" if row.status == "bound" else ""
    return f"{row.name}, {_whose(row, installation, 'binding')}{held}"


def _whose(row: Row, installation: str, noun: str) -> str:
    if row.own_tag(installation) is not None:
        return "an orphan: tagged by us for a service that does not exist"
    return f"a dynamic {noun}" if row.dynamic else "not ours"

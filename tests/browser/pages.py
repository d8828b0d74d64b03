"""The pages that the browser looks at."""

from typing import NamedTuple

from selenium.common.exceptions import StaleElementReferenceException


class Page(NamedTuple):
    """A page.

    Attributes:
        name: of its pictures.
        path: below `/console`.
        words: what it shows when all of it is there, separated by spaces.
    """

    name: str
    path: str
    words: str

    def is_shown(self, browser):
        """Whether all of it is there."""
        try:
            text = browser.text
        except StaleElementReferenceException:  # a part was replaced meanwhile
            return False
        return all(word in text for word in self.words.split())


PAGES = (
    Page("now", "/now", "Findings brake Approvals R4"),
    Page("alerts", "/alerts", "Open alerts muted"),
    Page("services", "/services?q=elm+street", "Elm Street"),
    Page("service", "/service?id=SVC-1-8", "Timeline Read"),
    Page("suspend", "/service/suspend?id=SVC-1-8", "What would be written Reason"),
    Page("routers", "/routers", "R4 blocked"),
    Page("router", "/router?id=R1", "Read at See the lease table"),
    Page("router-blocked", "/router?id=R4", "blocked login-refused"),
    Page("plan", "/router/plan?id=R5", "Read at"),
    Page("leases", "/router/leases?id=R1", "Read at SVC-1-1"),
    Page("drift", "/router/drift?id=R1", "Read at"),
    Page("check", "/router/check?id=R1", "Read at"),
    Page("pause", "/router/pause?id=R1", "Pause R1"),
    Page("reconcile", "/router/reconcile?id=R1", "Read at"),
    Page("pools", "/pools", "home address"),
    Page("pool", "/pool?id=home", "SVC-1-13 given"),
    Page("approvals", "/approvals", "router R5 Approve … Announce losses"),
    Page("announce", "/announce", "Announce Reason"),
    Page("failed", "/failed", "operation-refused source-not-allowed"),
    Page("failed-service", "/dead-letter?id=SVC-1-14@R1", "Retry … invalid"),
    Page("calendar", "/calendar", "SVC-1-11 Withdraw"),
    Page("sources", "/sources", "urn:isp:bss:test"),
    Page("keys", "/keys", "keys"),
    Page("new-key", "/keys/create", "Create the key"),
    Page("audit", "/audit", "What people did"),
    Page("people", "/people", "anna vera admin"),
    Page("person", "/person?id=omar", "End all sessions"),
    Page("runbook", "/runbook?name=router-blocked", "router-blocked"),
    Page("rebuild", "/router/rebuild?id=R1", "Read at"),
)

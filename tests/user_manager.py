"""A small installation whose router R3 runs User Manager for R1 and R2."""

from simulator.menus.user_manager import USER, pairs
from tests.small_installation import SmallInstallation

PLANS = '[plans.gold]\nrate_limit = "10M/50M"\n[plans.silver]\nrate_limit = "5M/20M"'
ACCESS = 'entries = "user-manager"\nuser_manager = "R3"'


class Users(SmallInstallation):
    """With lines for the table of R3, which decides how users look."""

    def __init__(self, lines="", **options):
        lines = {"R1": ACCESS, "R2": ACCESS, "R3": f'entries = "user-manager"\n{lines}'}
        options.setdefault("tables", PLANS)
        super().__init__(3, router_lines=lines, **options)

    def apply(self, *events, routers=()):
        """Have events applied; returns the last one."""
        self.say(*events)
        self.drain(*routers)
        for event in events[-1:]:
            assert (self.outcome(event) or "").startswith("applied"), self.outcome(event)
        return events[-1]

    def users(self):
        """Name -> attributes of every user, `disabled` with the others."""
        return {
            row["name"]: pairs(row.get("attributes", ""))
            | ({"disabled": "yes"} if row.get("disabled") == "true" else {})
            for row in self.r["R3"].rows(USER)
        }

    def writes(self):
        """How many users were added, set or removed since the counters were reset."""
        counters = self.r["R3"].counters()
        return sum(counters.get(f"{USER}/{command}", 0) for command in ("add", "set", "remove"))

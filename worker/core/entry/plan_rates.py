"""The rate limit that a service's plan stands for."""

from typing import Any

from worker.core.policy.policy import RouterPolicy
from worker.core.rows.normal import rate_limit
from worker.core.rows.operations import Waiting
from worker.core.service.record import ServiceRecord


def rate_of(record: ServiceRecord, policy: RouterPolicy) -> str | Waiting:
    """A rate limit in normal form, empty without a plan; or why it is not known.

    On the router rx stands first: what the device sends, which is the plan's upload.
    """
    plan: Any = record.value("plan")
    if not plan:
        return ""
    code, up, down = plan["code"], plan.get("up_kbps"), plan.get("down_kbps")
    if policy.plan_rates == "events" and up is not None and down is not None:
        return rate_limit(f"{up}k/{down}k")
    if code in policy.plans:
        return policy.plans[code]
    if policy.plans or policy.plan_rates == "events":
        instead = ", and its event gives no rates" if policy.plan_rates == "events" else ""
        return Waiting("unknown-plan", f"plan {code} is not in the catalogue{instead}")
    return ""

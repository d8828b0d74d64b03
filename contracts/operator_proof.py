"""The proof that an event comes from a login that may speak for operators.

Whoever may write into the journal may write an event of any source there. So commands, gateway and
console add to events of sources with scope `override` an attribute that a publisher's login cannot
make: it is keyed by a secret in Redis that this login may not read.
"""

import hmac
from collections.abc import Mapping
from typing import Final

from contracts.identity import canonical_json

PROOF: Final = "operatorproof"
OPERATOR_SECRET: Final = "operators:secret"  # noqa: S105 - the key in Redis, behind the prefix


def with_proof(event: Mapping[str, object], secret: str) -> dict[str, object]:
    """The event with its proof."""
    return {**event, PROOF: _proof_of(event, secret)}


def is_proven(event: Mapping[str, object], secret: str) -> bool:
    """Whether the event has the proof that is made with this secret."""
    given = event.get(PROOF)
    wanted = _proof_of(event, secret)
    return isinstance(given, str) and hmac.compare_digest(given.encode(), wanted.encode())


def _proof_of(event: Mapping[str, object], secret: str) -> str:
    proven = {name: value for name, value in event.items() if name != PROOF}
    return hmac.new(secret.encode(), canonical_json(proven), "sha256").hexdigest()

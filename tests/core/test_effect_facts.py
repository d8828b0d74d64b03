"""What decides when a change acts, stored and read back."""

import json

from hypothesis import given
from hypothesis import strategies as st

from worker.core.effect.facts import EffectFacts

NAMES = st.frozensets(st.text(max_size=8), max_size=3)
FACTS = st.builds(
    EffectFacts,
    read_at_ms=st.integers(0, 2**45),
    version=st.lists(st.integers(0, 99), max_size=3).map(tuple),
    fasttrack=st.booleans(),
    suspension=st.sampled_from(["none", "after-fasttrack", "first"]),
    layer2=NAMES,
    reconfigure=NAMES,
    ipv6=NAMES,
    lease_times_s=st.dictionaries(st.text(max_size=8), st.integers(0, 10**6), max_size=3),
    unread=NAMES,
)


@given(FACTS)
def test_facts_survive_json(facts):
    assert EffectFacts.from_text(facts.to_text()) == facts


def test_facts_of_other_versions_can_be_read():
    assert EffectFacts.from_text("{}") == EffectFacts()
    newer = json.loads(EffectFacts(fasttrack=True).to_text()) | {"moon": "full"}
    assert EffectFacts.from_text(json.dumps(newer)) == EffectFacts(fasttrack=True)

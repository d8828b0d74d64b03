"""Everything at once: `python -m tests.faults.chaos` (`make chaos`), seeded, with what must hold.

Four workers, simulated routers behind links, a generator of histories, and faults of all kinds at
random (`mischief.py`). In the middle the workers are upgraded one by one to a version with a newer
store format (`newer.py`). The seed decides histories, deliveries and faults; what meets what in the
end is up to the machine.
"""

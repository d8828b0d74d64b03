"""`leasewire simulator`: the simulator's own command, as one of ours."""

from simulator.cli import simulator_command

__all__ = ["simulator_command"]

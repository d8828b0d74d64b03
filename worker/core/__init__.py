"""The pure middle: what an event changes, what a router must hold, and which writes follow.

No clock, no log, no network, no environment enters here.
"""

"""`python -m leasewire`: the command where its script is not on the path."""

from leasewire.cli import main

main()

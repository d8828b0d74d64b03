"""The contract between publishers and Leasewire: events, their parts, their names. No I/O."""

"""Events over HTTP: checks who says it, writes it to the journal, tells what became of it."""

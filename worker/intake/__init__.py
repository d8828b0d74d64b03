"""Events become records: the fold, claims, marks and outcomes of one commit."""

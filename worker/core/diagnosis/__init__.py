"""Why a customer has no address, from facts alone."""

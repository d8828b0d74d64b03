"""What a full read shows of a router: row owners, drift, adoption, unknown devices."""

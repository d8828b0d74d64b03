"""The self-test: asks a spare router what no public source says of RouterOS."""

"""What a full read says of a whole router: owners, drift, adoption."""

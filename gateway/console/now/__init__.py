"""The page Now, kept up to date while it is open."""

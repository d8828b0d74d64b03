"""Events and services that failed permanently."""

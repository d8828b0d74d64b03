"""The record of a service: events, versions, outcomes, history."""

"""Andon: a circuit breaker for AI automations, built on an event stream."""

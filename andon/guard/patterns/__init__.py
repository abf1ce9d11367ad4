"""Guardrails and human-in-the-loop patterns: what may stand between an action and its execution.

Only actions that use one pay for it.
"""

"""Transports move bytes between two ends and know nothing of nodes."""

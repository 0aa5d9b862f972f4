"""Doors: thin adapters between the fake and whoever calls it. Each is named after what it adapts."""

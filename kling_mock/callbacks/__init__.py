"""Callbacks: what is due, the queue, delivery to a function, the policy of whom to call."""

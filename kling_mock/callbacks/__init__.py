"""Callbacks: the due ones, the delivery queue, the dispatcher, and the policy for receivers' URLs."""

"""Time: the clock, waiting for changes, sleeps that are skipped."""

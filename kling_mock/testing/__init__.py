"""What a test reads: views of a fake, tasks, the journal, the timeline."""

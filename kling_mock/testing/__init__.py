"""The API for tests: views of a fake, task handles, the journal, the timeline."""

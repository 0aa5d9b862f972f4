"""The report of a run in four forms: terminal, JSON, JUnit XML, HTML."""

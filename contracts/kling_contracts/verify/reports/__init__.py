"""The report of a run in four forms: for a terminal, as JSON, as JUnit XML, as one page of HTML."""

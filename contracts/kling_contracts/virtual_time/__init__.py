"""Virtual time for tests: sleeping threads and event loops move a clock instead of waiting."""

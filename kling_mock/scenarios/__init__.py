"""Scenario files: settings and scripts as TOML, read, checked, loaded into a fake, and read again."""

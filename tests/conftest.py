"""For all tests. Only here, at the top, can pytest be told of plugins."""

pytest_plugins = ["pytester"]

"""For all tests. Only here, at the top, can pytest be told of plugins."""

from tests import profiles

pytest_plugins = ["pytester"]
profiles.register()

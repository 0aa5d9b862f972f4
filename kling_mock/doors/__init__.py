"""Adapters between `Fake.handle` and HTTP libraries, ASGI and sockets; each is named after its library."""

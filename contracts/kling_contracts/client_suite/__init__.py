"""A test suite for any client of the API: write an adapter of ten lines, get a verdict on each property.

Needs the extra `contracts`.
"""

from kling_contracts.client_suite.adapter import ClientAdapter, Outcome, Service
from kling_contracts.client_suite.suite import client_suite, list_properties

__all__ = ["ClientAdapter", "Outcome", "Service", "client_suite", "list_properties"]

"""A pytest suite for any client of the API: from an adapter of about ten lines, one test for each property.

Requires the extra `contracts`.
"""

from kling_contracts.client_suite.adapter import ClientAdapter, Outcome, Service
from kling_contracts.client_suite.suite import client_suite, list_properties

__all__ = ["ClientAdapter", "Outcome", "Service", "client_suite", "list_properties"]

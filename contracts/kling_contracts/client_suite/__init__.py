"""A pytest suite for any client of the API: from an adapter of about ten lines, one test for each property.

Requires the extra `contracts`.
"""

from kling_contracts.extras import missing_package

try:
    from kling_contracts.client_suite.adapter import ClientAdapter, Outcome, Service
    from kling_contracts.client_suite.suite import client_suite, list_properties
except ModuleNotFoundError as error:
    raise missing_package(error, "contracts") from error

__all__ = ["ClientAdapter", "Outcome", "Service", "client_suite", "list_properties"]

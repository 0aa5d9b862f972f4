"""The next step after usual failures to connect."""

from __future__ import annotations


def connection_advice(error: str) -> str:
    """Advice by the text of an error of Python or of the system; empty without any."""
    if "WRONG_VERSION_NUMBER" in error:
        return "the server does not use TLS: set an http:// URL"
    if "CERTIFICATE_VERIFY_FAILED" in error:
        return "set SSL_CERT_FILE to the certificate of its authority"
    if "connection refused" in error.lower() or "actively refused" in error:
        return "no server listens there: start it, or correct host and port"
    return ""

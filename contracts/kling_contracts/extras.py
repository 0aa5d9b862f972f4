"""Errors for packages that are installed with an extra only."""

from __future__ import annotations

DISTRIBUTION = "kling-mock"


def missing_package(error: ModuleNotFoundError, extra: str | None = None) -> ModuleNotFoundError:
    """The error with the command that installs the package: with this extra, or by its own name.

    An error about a module of this distribution is returned unchanged, since it is a bug.
    """
    name = (error.name or "").partition(".")[0]
    if name in ("", "kling_mock", "kling_client", "kling_contracts"):
        return error
    wanted = name if extra is None else f"'{DISTRIBUTION}[{extra}]'"
    return ModuleNotFoundError(f"{name} is not installed: pip install {wanted}", name=error.name)

"""The modules that `import kling_mock` loads."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_fake_loads_no_library() -> None:
    """In a new interpreter: neither the package nor an answering fake needs a library."""
    code = (
        "import sys, kling_mock\n"
        "first = set(sys.modules)\n"
        "kling_mock.Fake().handle(kling_mock.Request('GET', '/kling/v1/images/generations/1'))\n"
        "heavy = {'httpx', 'respx', 'PIL', 'uvicorn', 'starlette', 'faker', 'rich', 'jwt', 'asyncio'}\n"
        "print(heavy & set(sys.modules), 'kling_mock.fake' in first)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set() False\n"

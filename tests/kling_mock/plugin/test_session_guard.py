"""`guard = session`: the names of the service are refused during the whole run, and in child processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]


def test_the_names_are_refused_between_tests_in_threads_and_in_children(suite: Suite) -> None:
    suite(
        """
        import multiprocessing, os, socket, subprocess, sys, threading
        import pytest
        from children import look_up

        FINISH = threading.Event()
        late = []

        def test_a_thread_outlives_its_test(kling):
            def run():
                FINISH.wait(30)
                late.append(look_up())
            threading.Thread(target=run, daemon=True, name="late").start()

        def test_without_a_fixture():
            assert look_up() == "refused"
            FINISH.set()
            [thread.join(30) for thread in threading.enumerate() if thread.name == "late"]
            assert late == ["refused"]

        @pytest.mark.parametrize("method", ["spawn", "forkserver"])
        def test_processes(method):
            with multiprocessing.get_context(method).Pool(1) as pool:
                assert pool.apply(look_up) == "refused"

        def test_a_subprocess():
            code = "import children; print(children.look_up())"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            assert done.stdout.strip() == "refused"

        def test_the_environments_own_module_is_run(tmp_path):
            (tmp_path / "sitecustomize.py").write_text("import builtins; builtins.THEIRS = 7")
            path = os.pathsep.join((os.environ["PYTHONPATH"], str(tmp_path)))
            code = "import children; print(THEIRS, children.look_up())"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                                  env=os.environ | {"PYTHONPATH": path})
            assert done.stdout.strip() == "7 refused"
        """,
        apart=True,
        ini="kling = guard = session\npythonpath = .\n",
    ).assert_outcomes(passed=6)


@pytest.fixture(autouse=True)
def children(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that looks a name up without asking a name server."""
    pytester.makepyfile(
        children="""
        import socket

        def look_up():
            try:
                socket.getaddrinfo("api.cometapi.com", 443, flags=socket.AI_NUMERICHOST)
            except AssertionError as error:
                assert type(error).__name__ == "NameRefused"
                return "refused"
            except socket.gaierror:
                return "looked up"
        """
    )
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))


def test_it_ends_with_the_run(suite: Suite) -> None:
    import os
    import socket

    before = os.environ["PYTHONPATH"]
    suite("def test_it(): pass", ini="kling = guard = session\n").assert_outcomes(passed=1)
    assert os.environ["PYTHONPATH"] == before
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("api.cometapi.com", 443, flags=socket.AI_NUMERICHOST)


def test_another_value_is_an_error_of_usage(suite: Suite) -> None:
    result = suite("def test_it(): pass", ini="kling = guard = test\n", apart=True)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*guard: must be session; got 'test'*"])

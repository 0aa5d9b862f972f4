"""The scripts of creates, queries, pictures and any requests, as the view of a fake offers them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TypedDict, Unpack, cast

from kling_mock.argument_checks import check_whole
from kling_mock.auth import account_name
from kling_mock.criteria import CriterionKind, check_criteria
from kling_mock.header_facts import SECRET_HEADERS
from kling_mock.records import PICTURE, QUERY, REQUEST, RuleRecord
from kling_mock.request_facts import BODY, CRITERIA, HEADER
from kling_mock.scripts.create_script import Script
from kling_mock.scripts.request_script import RequestScript
from kling_mock.scripts.written_scripts import WrittenScripts
from kling_mock.suggestions import status_of
from kling_mock.testing.task_handle import TaskHandle


class QueryCriteria(TypedDict, total=False):
    """Criteria of queries: the task or its id; `nth` query of its task, from 1; the status it would show.

    `account` is an API key.
    """

    task: str | TaskHandle
    nth: int
    status: str
    account: str


class PictureCriteria(TypedDict, total=False):
    """Criteria of downloads: the task or its id; the `index` of the picture, from 0; the key of the task."""

    task: str | TaskHandle
    index: int
    account: str


class RequestCriteria(TypedDict, total=False):
    """Criteria of any request: method and path; values of headers and fields of the JSON body by name.

    Strings are globs. `account` is an API key.
    """

    method: str
    path: str
    header: Mapping[str, str | None]
    body: Mapping[str, object]
    account: str


class RequestScripts:
    """Scripts of accepted creates (`next`, `when`) and of other requests, of one account or of all (None)."""

    _account: str | None
    _written: WrittenScripts

    @property
    def next(self) -> Script:
        """Script the outcome of the next accepted create; several scripts form a queue."""
        return self._script(None)

    @property
    def next_query(self) -> RequestScript:
        """Script the next query of a task."""
        return self._request_script(QUERY, None)

    @property
    def next_picture(self) -> RequestScript:
        """Script the next download of a result picture."""
        return self._request_script(PICTURE, None)

    @property
    def next_request(self) -> RequestScript:
        """Script the next request of any kind, before its key is checked; creates are included."""
        return self._request_script(REQUEST, None)

    def when(self, **criteria: object) -> Script:
        """Script the outcome of every matching create; the newest matching rule applies.

        Criteria are fields of the request, such as `prompt="*cat*"` (strings are globs), `aspect_ratio`, `n`
        or `model_name`, and `subjects`, the number of subject pictures. Raises TypeError for an unknown
        field or a value of a wrong type.
        """
        check_criteria(criteria, self._criteria)
        return self._script(criteria)

    def when_query(self, **criteria: Unpack[QueryCriteria]) -> RequestScript:
        """Script every matching query; the newest matching rule applies.

        Criteria: `task`, `nth` (query of its task, from 1), `status`, `account` (an API key). Raises
        TypeError for another name or a value of a wrong type.
        """
        return self._request_script(QUERY, dict(criteria))

    def when_picture(self, **criteria: Unpack[PictureCriteria]) -> RequestScript:
        """Script every matching download. Criteria: `task`, `index` (from 0), `account` (an API key)."""
        return self._request_script(PICTURE, dict(criteria))

    def when_request(self, **criteria: Unpack[RequestCriteria]) -> RequestScript:
        """Script every matching request, creates included.

        Criteria: `method`, `path`, `header` and `body` (dicts: values by name of the header, or of the field
        of the JSON body), `account` (an API key). Strings are globs.
        """
        return self._request_script(REQUEST, dict(criteria))

    def _request_script(self, kind: str, given: Mapping[str, object] | None) -> RequestScript:
        """A script of this kind; the account is taken out of the criteria."""
        if given is None:
            return self._new_script(kind, None, None)
        criteria = dict(given)
        task = criteria.get("task")
        if isinstance(task, TaskHandle):
            criteria["task"] = task.id
        check_criteria(criteria, CRITERIA[kind], "criterion")
        if "status" in criteria:
            status_of(str(criteria["status"]))
        for name, least in (("nth", 1), ("index", 0)):
            if name in criteria:
                check_whole(name, criteria[name], least)
        account = cast("str | None", criteria.pop("account", None))
        flat = {
            **_headers(cast("Mapping[object, object]", criteria.pop("header", {}))),
            **_fields(cast("Mapping[object, object]", criteria.pop("body", {}))),
        }
        return self._new_script(
            kind, {**criteria, **flat}, None if account is None else account_name(account)
        )

    def _new_script(
        self, kind: str, criteria: Mapping[str, object] | None, account: str | None
    ) -> RequestScript:
        if account is not None and self._account not in (None, account):
            raise ValueError(
                f"account: this view is that of {self._account}, and the key is that of {account}; use "
                "one of them"
            )
        return RequestScript(self._write_rule, account or self._account, criteria, self._written, kind)

    def _script(self, criteria: dict[str, object] | None) -> Script:
        return Script(self._write_rule, self._account, criteria, self._written)

    @property
    @abstractmethod
    def _criteria(self) -> Mapping[str, CriterionKind]:
        """The criteria of `when`."""

    @abstractmethod
    def _write_rule(self, rule: RuleRecord) -> RuleRecord:
        """Write a rule and return it with its number."""


def _headers(given: Mapping[object, object]) -> dict[str, object]:
    """The criteria of headers: `header={"Range": "*"}` as `header.range`."""
    flat: dict[str, object] = {}
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, str | None):
            raise TypeError(f"header: names and values must be strings or None; got {name!r}: {value!r}")
        if name.lower() in SECRET_HEADERS:
            raise ValueError(f"header {name!r} holds a secret; select the requests of a key with account=key")
        flat[HEADER + name.lower()] = value
    return flat


def _fields(given: Mapping[object, object]) -> dict[str, object]:
    """The criteria of fields: `body={"n": 2}` as `body.n`."""
    for name in given:
        if not isinstance(name, str):
            raise TypeError(f"body: names must be strings, not {name!r}")
    return {f"{BODY}{name}": value for name, value in given.items()}

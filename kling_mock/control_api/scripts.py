"""Scripts of requests and faults of tasks, as the documents of `kling_mock.documents`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kling_mock.control_api import call_models, models, parameters, task_models
from kling_mock.control_api.problems import Problem, converted_errors, not_found, unknown_name
from kling_mock.control_api.shown import show_call, show_task
from kling_mock.control_api.tasks import found_task
from kling_mock.documents import DocumentError, read_script, script_document
from kling_mock.fake import Fake
from kling_mock.faults import KINDS
from kling_mock.records import SWITCHED_OFF, RuleRecord
from kling_mock.scripts.rule_builder import describe
from kling_mock.scripts.signatures import arguments_of
from kling_mock.testing.unused_scripts import nearest_misses


def list_scripts(fake: Fake, query: parameters.AccountFilter) -> models.ScriptList:
    """List scripts, oldest first, including used-up ones."""
    view = fake.named_account(query.account)
    used = view.script_uses
    return models.ScriptList(tuple([show_script(rule, used) for rule in view.scripts]))


def write_script(fake: Fake, body: dict[str, Any]) -> models.ScriptInfo:
    """Write a script, whose document has the vocabulary of Python, as in a scenario file."""
    return show_script(fake.write_script(_rule(fake, body)), {})


def read_script_info(fake: Fake, id: str) -> models.ScriptInfo:  # noqa: A002 -- the name in the path
    """Read one script with the number of its uses."""
    return show_script(_found(fake, id), fake.script_uses)


def replace_script(fake: Fake, id: str, body: dict[str, Any]) -> models.ScriptInfo:  # noqa: A002 -- the same
    """Replace a script; the number of its uses is kept."""
    old, rule = _found(fake, id), _rule(fake, body)
    until = old.until if rule.lasting == old.lasting else None
    fake.write_script(replace(rule, id=old.id, until=until))
    return read_script_info(fake, id)


def switch_script(fake: Fake, id: str, body: parameters.ScriptChange) -> models.ScriptInfo:  # noqa: A002 -- the same
    """Switch a script on or off. One that lasts a number of seconds lasts it again when it is switched on."""
    rule = _found(fake, id)
    if body.enabled != (rule.until != SWITCHED_OFF):
        # The listed rule has the number of uses that are left; the number of uses is kept.
        uses = _rule(fake, script_document(rule)).uses_left
        fake.write_script(replace(rule, uses_left=uses, until=None if body.enabled else SWITCHED_OFF))
    return read_script_info(fake, id)


def list_misses(fake: Fake, id: str) -> call_models.ScriptMisses:  # noqa: A002 -- the same
    """List the calls that came closest to those that a script is about, with the reasons: at most five."""
    rule = _found(fake, id)
    found = nearest_misses(fake, rule)
    return call_models.ScriptMisses(
        tuple([call_models.ScriptMiss(show_call(each.call), tuple(each.reasons)) for each in found])
    )


def remove_script(fake: Fake, id: str) -> models.Done:  # noqa: A002 -- the same
    """Remove a script."""
    fake.remove_script(_found(fake, id).id)
    return models.Done()


def remove_scripts(fake: Fake, query: parameters.AccountFilter) -> models.Done:
    """Remove all scripts, or those of one account."""
    for rule in fake.scripts:
        if query.account in (None, rule.account):
            fake.remove_script(rule.id)
    return models.Done()


def add_fault(fake: Fake, id: str, body: dict[str, Any]) -> task_models.Task:  # noqa: A002 -- the same
    """Give an unfinished task a fault: its name, with its argument, a table of arguments, or true."""
    task = found_task(fake, id)
    if len(body) != 1:
        raise Problem(422, f"give exactly one fault, such as {{'sticks': true}}; got {len(body)}", "", KINDS)
    ((name, value),) = body.items()
    if name not in KINDS:
        raise unknown_name("fault", name, KINDS, "/")
    with converted_errors(f"/{name}"):
        positional, named = arguments_of(getattr(type(task), name), value)
        getattr(task, name)(*positional, **named)
    return show_task(fake, *task.read())


def _rule(fake: Fake, document: dict[str, Any]) -> RuleRecord:
    try:
        return read_script(document, gateways=fake.gateways)
    except DocumentError as error:
        first, *more = error.problems
        message = first.message + (f" (and {len(more)} more errors)" if more else "")
        raise Problem(422, message, first.pointer, first.nearest or first.accepted) from None
    except (RecursionError, OverflowError) as error:
        raise Problem(422, f"the script cannot be read: {error}", "") from None


def _found(fake: Fake, name: str) -> RuleRecord:
    rules = {str(rule.id): rule for rule in fake.scripts}
    if name not in rules:
        raise not_found("script", name, rules)
    return rules[name]


def show_script(rule: RuleRecord, used: Mapping[int, int]) -> models.ScriptInfo:
    return models.ScriptInfo(
        id=rule.id,
        account=rule.account,
        document=script_document(rule),
        description=describe(rule),
        used=used.get(rule.id, 0),
        uses_left=rule.uses_left,
        until=None if rule.until == SWITCHED_OFF else rule.until,
        enabled=rule.until != SWITCHED_OFF,
    )

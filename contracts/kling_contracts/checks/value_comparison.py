"""Findings about one field name the value of another field on which they depend, if other creates show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from kling_contracts.checks.field_values import ABSENT, GIVEN, Value, values_in
from kling_contracts.verify.budget import RESULTS
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext, Failure
from kling_contracts.verify.parts import CALLBACK, EXTERNAL_ID, RATIO
from kling_contracts.verify.probes import ProbeKind

# The checks of tasks whose findings depend on one field of the create.
_FIELDS: Final[Mapping[str, str]] = {
    "result_images.ratio": RATIO,
    "lifecycle.images.count": RESULTS,
    "external_ids.echoed": EXTERNAL_ID,
    "external_ids.query": EXTERNAL_ID,
    "callbacks.each_change": CALLBACK,
}
_VALID: Final = (ProbeKind.ACCEPT, ProbeKind.ACCEPT_TWICE, ProbeKind.ACCEPT_ONLY, ProbeKind.ATTEMPT)
# With more candidates than this it is open which value matters.
_NAMED: Final = 3


def naming_values(check: Check) -> Check:
    """The check; its findings name the value that all creates that failed have and fewest others have."""
    field = _FIELDS.get(check.id)
    return check if field is None else replace(check, judge=_judge(check.judge, field))


def _judge(
    judge: Callable[[Evidence, CheckContext], None], field: str
) -> Callable[[Evidence, CheckContext], None]:
    def judge_and_compare(evidence: Evidence, context: CheckContext) -> None:
        judge(evidence, context)
        if context.failures:
            note = _difference(evidence, context.failures, field)
            context.failures[:] = [replace(it, sentence=it.sentence + note) for it in context.failures]

    return judge_and_compare


def _difference(evidence: Evidence, failures: Sequence[Failure], field: str) -> str:
    """The end of a finding about a field: the value of another field that the creates that failed share.

    Empty if the field alone may be the cause, or the creates do not show which value matters.
    """
    creates = {history.id: history.created for history in evidence.histories() if history.states}
    failed = {number for failure in failures for number in _creates_of(failure, creates)}
    valid = [it for it in creates.values() if it.probe.kind in _VALID]
    wrong = [_values(evidence, it) for it in valid if it.number in failed]
    if not wrong:
        return ""
    common = wrong[0].intersection(*wrong)
    own = sorted(it for it in common if it.field == field)
    right = [_values(evidence, it) for it in valid if it.number not in failed]
    right = [values for values in right if values.issuperset(own)]
    if not own or not right:
        return ""
    times = {it: sum(it in values for values in right) for it in common if it.field != field}
    fewest = min(times.values(), default=len(right))
    rarest = sorted(it for it in times if times[it] == fewest < len(right))
    named = _most_specific(rarest)
    if not 0 < len(named) <= _NAMED:
        return _smallest(wrong, right)
    pair = f"{own[0]} together with {' or '.join(map(str, named))}"
    return f"; the creates that failed ({len(wrong)}) have {pair}, of the others {fewest} of {len(right)}"


def _most_specific(values: Sequence[Value]) -> list[Value]:
    """The values without absent ones if there are others, and `given` instead of a certain value."""
    present = [it for it in values if it.tag != ABSENT] or values
    return [it for it in present if it.tag == GIVEN or Value(it.field, GIVEN) not in present]


def _smallest(wrong: Sequence[frozenset[Value]], right: Sequence[frozenset[Value]]) -> str:
    """The smallest difference of a create that failed from one that passed; empty if it is large."""
    differences = (one - other for one in wrong for other in right)
    fewest = sorted(it for it in min(differences, key=len) if it.tag != GIVEN)
    listed = ", ".join(map(str, fewest))
    few = 0 < len(fewest) <= _NAMED
    return f"; the most similar create that passed does not have {listed}" if few else ""


def _creates_of(failure: Failure, creates: Mapping[str, Exchange]) -> Iterator[int]:
    for shown in failure.shown:
        if isinstance(shown, Exchange):
            created = creates.get(shown.probe.about)
            yield shown.number if shown.method == "POST" or created is None else created.number


def _values(evidence: Evidence, created: Exchange) -> frozenset[Value]:
    """The values of a create, and which fields have any."""
    body = created.asked_object
    given = {Value(it.name, GIVEN) for it in evidence.operation.fields if body.get(it.name) not in (None, "")}
    return values_in(evidence.operation, body) | given

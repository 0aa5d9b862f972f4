"""Decisions about requests while there are scripts of queries, pictures or any requests. Pure.

A rule without criteria of account, body or task applies before key and route are checked; the others after
key, route and JSON. A request whose reply comes from a script has no effect, and reserves nothing.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from kling_contracts.gateways import RefusalReason
from kling_mock.auth import Token
from kling_mock.changed_replies import ANSWERS_RULE, reply_instead
from kling_mock.commands import Command, Create, FetchPicture, Query
from kling_mock.decision import AuditInfo, Decision
from kling_mock.decisions import decide
from kling_mock.http import Request
from kling_mock.matching import Match, RuleDraw
from kling_mock.outcomes import Disturbs
from kling_mock.records import CREATE, REQUEST, PollRecord, RuleUse, TaskState
from kling_mock.reply_faults import KINDS, ReplyFault, ReplyStage
from kling_mock.request_facts import RequestFacts, kind_of, task_of
from kling_mock.routing import ENCODED_RULE
from kling_mock.settings import Settings
from kling_mock.stores import SCRIPTS, Expect, RuleKey, Snapshot, TaskKey

# Requests that are refused for these reasons are not compared with late rules.
_REASONS: Final = tuple(RefusalReason)
_EARLIER: Final = frozenset(
    {ENCODED_RULE, *[each.value for each in _REASONS[: _REASONS.index(RefusalReason.BAD_JSON) + 1]]}
)


def decide_request(  # noqa: PLR0913, PLR0917 -- `decide`, with the request
    snapshot: Snapshot,
    request: Request,
    asked: tuple[Command, Token | None],
    settings: Settings,
    request_id: str,
    again: int,
) -> Decision:
    """The decision for a request: that of `decide`, unless a script of requests applies."""
    scripts = snapshot[SCRIPTS]
    if scripts.only_creates:
        return decide(snapshot, asked, settings, request_id, again)
    kind = kind_of(request.method, request.path, request.header("host") or "", settings.gateways)
    if kind is None:
        return decide(snapshot, asked, settings, request_id, again)
    command = asked[0]
    state = task_of(snapshot, command, request)
    # Scripts of creates are applied to accepted ones, in `decide`.
    kinds = (REQUEST,) if kind in (CREATE, REQUEST) else (kind, REQUEST)
    draw = RuleDraw(snapshot.now, settings.seed, request_id)
    facts = RequestFacts(request, command, state)
    match = scripts.match_kinds([(each, False) for each in kinds], None, facts, draw)
    if match is not None and _instead(match):
        return _answer(match, command, state, request_id)
    decision = decide(snapshot, asked, settings, request_id, again)
    if match is None and decision.audit.rule not in _EARLIER:
        account = _account(command, state)
        facts = RequestFacts(request, command, state, decision.audit.shown)
        late = [(each, True) for each in kinds]
        match = scripts.match_kinds(late, account, facts, draw)
        if match is not None and _instead(match):
            return _answer(match, command, state, request_id)
    if match is None:
        return decision
    return _disturbed(decision, match)


def faults_of(match: Match) -> tuple[ReplyFault, ...]:
    return tuple([each.fault for each in match.rule.outcomes if isinstance(each, Disturbs)])


def _account(command: Command, state: TaskState | None) -> str | None:
    """The account of a request; that of a download is the account of the task."""
    if isinstance(command, FetchPicture):
        return None if state is None else state.record.account
    return command.account


def _instead(match: Match) -> bool:
    return any(fault.instead for fault in faults_of(match))


def _answer(match: Match, command: Command, state: TaskState | None, request_id: str) -> Decision:
    """The decision for a request without effect. A query counts for `nth`, but not for the plan."""
    faults = faults_of(match)
    reply = reply_instead(faults, request_id)
    expect: tuple[Expect, ...] = (Expect(RuleKey(match.rule.id), match.used),)
    records: tuple[RuleUse | PollRecord, ...] = (RuleUse(match.rule.id),)
    if state is not None and isinstance(command, Query):
        expect = (*expect, Expect(TaskKey(state.record.id), state.version))
        records = (*records, PollRecord(state.record.id, None, answered=False))
    audit = AuditInfo(
        account=_account(command, state),
        request=command.request if isinstance(command, Create) else None,
        task_id=None if state is None else state.record.id,
        rule=ANSWERS_RULE if reply.status >= 400 else None,
        script=match.rule.id,
        faults=tuple([fault.kind for fault in faults]),
    )
    return Decision(reply, audit, expect, records, faults)


def _disturbed(decision: Decision, match: Match) -> Decision:
    """The decision with the faults of a script. A lost reply is that of a request that took effect."""
    faults = faults_of(match)
    audit = decision.audit
    if audit.rule is not None and any(KINDS[fault.kind].stage is ReplyStage.ACCEPTED for fault in faults):
        return decision
    return replace(
        decision,
        audit=replace(
            audit,
            script=match.rule.id if audit.script is None else audit.script,
            faults=(*audit.faults, *[fault.kind for fault in faults]),
        ),
        expect=(*decision.expect, Expect(RuleKey(match.rule.id), match.used)),
        records=(*decision.records, RuleUse(match.rule.id)),
        reply_faults=(*decision.reply_faults, *faults),
    )

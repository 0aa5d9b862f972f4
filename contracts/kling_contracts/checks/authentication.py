"""Authentication: missing keys, invalid keys and tokens are refused before the request is validated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final
from urllib.parse import quote

from kling_contracts.checks.pagination import page_path
from kling_contracts.checks.refusals import error_check
from kling_contracts.gateways import TOKEN_REASONS, Gateway, RefusalReason
from kling_contracts.operations import Operation
from kling_contracts.verify.bodies import faults, minimal
from kling_contracts.verify.credentials import MUTATED_TOKENS, NO_CREDENTIAL, Credential, Keys, mutated_keys
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext, Requirement, Stage, Step
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.session import Session, encode
from kling_contracts.vocabulary import HTTP_STANDARD, KLING_AUTH, SAFETY, SEED

# Creates with an invalid body, which a server must not validate before the key.
_BAD_CREATES: Final = ("invalid create", "broken create")
_OPERATIONS: Final = ("create", "query", "list", *_BAD_CREATES)
# Names of keys in query strings; RFC 6750 (section 2.3) names the first, and advises against it.
_QUERY_NAMES: Final = ("access_token", "api_key", "key")
_STEP: Final = "keys"
# Mutations of a signed token that change only its signature.
_OTHER_SIGNATURES: Final = frozenset(
    {
        "the key without its last character",
        "the key with a character appended",
        "the key with another last character",
        "the key with upper and lower case swapped",
    }
)

_TOKENS: Final = (
    ("expired", "has expired", (RefusalReason.EXPIRED_TOKEN,)),
    ("early", "is not valid yet", (RefusalReason.EARLY_TOKEN,)),
    ("signature", "is signed with another secret", (RefusalReason.BAD_KEY, RefusalReason.BAD_TOKEN)),
    ("unsigned", "is unsigned (alg: none)", (RefusalReason.BAD_KEY, RefusalReason.BAD_TOKEN)),
    ("issuer", "has an unknown issuer", (RefusalReason.BAD_KEY, RefusalReason.BAD_TOKEN)),
)


def checks(gateway: Gateway) -> tuple[Check, ...]:
    found = [
        Check(
            id="auth.required",
            sentence="without a key every operation is refused with 401",
            source=SEED,
            judge=_judge(ProbeKind.NO_KEY),
        ),
        Check(
            id="auth.wrong_key",
            sentence="an invalid key is refused with 401, even if it differs in one character",
            source=SEED,
            judge=_judge(ProbeKind.WRONG_KEY),
        ),
        Check(
            id="auth.first",
            sentence="the key is checked before the body",
            source=SAFETY,
            judge=_judge_first,
        ),
        Check(
            id="auth.scheme_case",
            sentence="the scheme Bearer is case-insensitive",
            source=HTTP_STANDARD,
            judge=_judge_scheme,
        ),
        error_check(
            "errors.no_key",
            "a request without a key is refused with the expected error",
            gateway,
            [RefusalReason.NO_KEY],
            lambda evidence: _of(evidence, ProbeKind.NO_KEY),
        ),
        error_check(
            "errors.wrong_key",
            "a request with an invalid key is refused with the expected error",
            gateway,
            [
                RefusalReason.BAD_KEY,
                RefusalReason.MALFORMED_KEY,
                *(TOKEN_REASONS[:1] if gateway.takes_tokens else ()),
            ],
            lambda evidence: _of(evidence, ProbeKind.WRONG_KEY),
        ),
    ]
    if gateway.takes_tokens:
        found += [
            Check(
                id=f"auth.token.{name}",
                sentence=f"a token that {property_} is refused with {_codes_of(gateway, reasons)}",
                source=KLING_AUTH,
                judge=_judge_token(name, {gateway.refusals[reason].code for reason in reasons}),
            )
            for name, property_, reasons in _TOKENS
        ]
    return tuple(found)


def _codes_of(gateway: Gateway, reasons: Iterable[RefusalReason]) -> str:
    codes = sorted({str(gateway.refusals[reason].code) for reason in reasons})
    return " or ".join(codes)


def steps(gateway: Gateway) -> tuple[Step, ...]:
    found = [
        Step(
            name=_STEP,
            stage=Stage.READING,
            description="each operation without a key and with invalid keys, with valid and invalid bodies",
            run=_send_mutated,
            requests=5 * 10,
            checks=("auth.required", "auth.wrong_key", "auth.first", "auth.scheme_case", "errors.no_key",
                   "errors.wrong_key", "responses.*"),
        ),
        Step(
            name="keys: a task that exists",
            stage=Stage.RUNNING,
            description="a query for an existing task without a key, and with an unknown one",
            run=_query_without_key,
            requests=2,
            checks=("auth.required", "errors.no_key", "responses.*"),
        ),
    ]  # fmt: skip
    if gateway.takes_tokens:
        found.append(
            Step(
                name="keys: tokens",
                stage=Stage.READING,
                description="tokens that are expired, early, forged, unsigned, or of an unknown issuer",
                run=_send_tokens,
                requests=len(_TOKENS),
                checks=("auth.token.*", "responses.*"),
                requires=frozenset({Requirement.SIGNER}),
            )
        )
    return tuple(found)


def _mutated(keys: Keys, *, mock: bool) -> Iterator[Credential]:
    """Credentials that differ slightly from the valid one."""
    bearer = keys.bearer()
    for mutated, key in mutated_keys(bearer):
        # kling-mock accepts every key with this prefix by default; other servers do not.
        family = mock and key.startswith("sk-mock-")
        if not family:
            keys.keep_mutated(key, mutated.mark)
            yield Credential(mutated.name, (f"Bearer {key}",))
    yield Credential("another scheme", (f"Basic {bearer}",))
    yield Credential("no scheme", (bearer,))
    yield Credential("a scheme alone", ("Bearer",))


def _missing_keys() -> Iterator[Credential]:
    yield NO_CREDENTIAL
    yield NO_CREDENTIAL._replace(name="an empty header", values=("",))


def _send_mutated(session: Session) -> None:
    for kind, credentials in (
        (ProbeKind.NO_KEY, _missing_keys()),
        (ProbeKind.WRONG_KEY, _mutated(session.keys, mock=session.evidence.mock)),
    ):
        for credential in credentials:
            for operation in _OPERATIONS:
                if operation != "list" or session.evidence.gateway.lists:
                    _operate(session, Probe(kind, operation, credential.name), credential)
    if session.inbox is not None:  # a server on this machine; others might log the URL with the key
        for name in _QUERY_NAMES:
            target = f"{session.create_path}/{session.unknown_id}?{name}={quote(session.keys.bearer())}"
            probe = Probe(ProbeKind.NO_KEY, "query", f"the key as {name} in the query string")
            session.send(probe, "GET", target, key=NO_CREDENTIAL)
    lower = session.keys.first
    for scheme in ("bearer", "BEARER"):
        values = tuple(f"{scheme} {value.partition(' ')[2]}" for value in lower.values)
        _operate(session, Probe(ProbeKind.SCHEME, "query", scheme), lower._replace(values=values))


def _operate(session: Session, probe: Probe, credential: Credential) -> None:
    create = session.create_path
    match probe.about:
        case "create":
            session.send(probe, "POST", create, body=encode(minimal(session.operation)), key=credential)
        case "invalid create":
            session.send(probe, "POST", create, body=_invalid(session.operation), key=credential)
        case "broken create":
            session.send(probe, "POST", create, body=b"{", key=credential)
        case "list":
            session.send(probe, "GET", page_path(session, 1, 1), key=credential)
        case _:
            session.send(probe, "GET", f"{create}/{session.unknown_id}", key=credential)


def _invalid(operation: Operation) -> bytes:
    """A body that breaks a rule of the operation."""
    body: object = {"n": "many"}
    return encode(body if operation.read(body).violations else next(faults(operation)).body)


def _query_without_key(session: Session) -> None:
    for history in session.evidence.histories()[:1]:
        for credential in (NO_CREDENTIAL, Credential("an unknown key", ("Bearer sk-" + "0" * 40,))):
            target = f"{session.create_path}/{history.id}"
            session.send(
                Probe(ProbeKind.TASK_WITHOUT_KEY, "task", credential.name), "GET", target, key=credential
            )


def _send_tokens(session: Session) -> None:
    pair = session.keys.pair
    if pair is None:
        return
    access, secret = pair
    now = int(session.keys.now())
    for mutated in MUTATED_TOKENS:
        signed = None if mutated.secret is None else secret + mutated.secret
        claims = {"exp": now + mutated.expires, "nbf": now + mutated.begins}
        token = session.keys.token(access + mutated.issuer, signed, claims)
        # The early token will become valid, so it must not be recorded.
        session.keys.keep_mutated(token, mutated.mark)
        bearer = Credential(mutated.name, (f"Bearer {token}",))
        _operate(session, Probe(ProbeKind.TOKEN, "query", mutated.kind), bearer)


def _of(evidence: Evidence, kind: ProbeKind) -> Iterator[Exchange]:
    """The requests that were refused with 401."""
    return (exchange for exchange in evidence.of(kind) if exchange.status == 401)


def _judge(kind: ProbeKind) -> Callable[[Evidence, CheckContext], None]:
    def judge(evidence: Evidence, context: CheckContext) -> None:
        unsigned = _ignores_signatures(evidence)
        for kind_, without_key in ((kind, None), (ProbeKind.TASK_WITHOUT_KEY, kind == ProbeKind.NO_KEY)):
            for exchange in evidence.of(kind_):
                if exchange.probe.about in _BAD_CREATES:
                    continue
                if unsigned and exchange.credential in _OTHER_SIGNATURES:
                    continue  # only the signature differs, which `auth.token.signature` reports
                if without_key not in (None, exchange.credential == NO_CREDENTIAL.name):
                    continue
                context.expect(
                    exchange.status == 401,
                    f"{exchange.probe.about} with {exchange.probe.tag} was not refused with 401",
                    expected="401",
                    actual=exchange.shown,
                    shown=(exchange,),
                )

    return judge


def _ignores_signatures(evidence: Evidence) -> bool:
    return any(each.probe.tag == "signature" and each.status != 401 for each in evidence.of(ProbeKind.TOKEN))


def _judge_first(evidence: Evidence, context: CheckContext) -> None:
    # If valid requests pass with such a key, the key is not checked at all, which other checks report.
    passed = {
        exchange.probe.tag
        for kind in (ProbeKind.NO_KEY, ProbeKind.WRONG_KEY)
        for exchange in evidence.of(kind)
        if exchange.status != 401 and exchange.probe.about in ("create", "query")
    }
    for kind in (ProbeKind.NO_KEY, ProbeKind.WRONG_KEY):
        for exchange in evidence.of(kind):
            if (
                exchange.probe.about in _BAD_CREATES
                and exchange.probe.tag not in passed
                and exchange.status < 500
            ):
                context.expect(
                    exchange.status == 401,
                    f"the body was checked before the key ({exchange.probe.tag}, {exchange.probe.about})",
                    expected="401",
                    actual=exchange.shown,
                    shown=(exchange,),
                )


def _judge_scheme(evidence: Evidence, context: CheckContext) -> None:
    for exchange in evidence.of(ProbeKind.SCHEME):
        context.expect(
            exchange.status != 401,
            f"the valid key was refused with the scheme {exchange.probe.tag}",
            expected="the same answer as with Bearer",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _judge_token(name: str, codes: set[int | str]) -> Callable[[Evidence, CheckContext], None]:
    def judge(evidence: Evidence, context: CheckContext) -> None:
        if name == "unsigned" and _ignores_signatures(evidence):
            return  # the server checks no signatures, which `auth.token.signature` reports
        for exchange in evidence.of(ProbeKind.TOKEN):
            if exchange.probe.tag == name:
                context.expect(
                    exchange.status == 401 and exchange.error_code in codes,
                    f"an invalid token ({name}) was not refused with 401 and the expected code",
                    expected=f"401 with code {' or '.join(map(str, sorted(codes, key=str)))}",
                    actual=exchange.shown,
                    shown=(exchange,),
                )

    return judge

"""What helps after a revert: for each reason of the contracts, the command or change to make.

Reasons of the contracts of names and governance are listed in full, and a test reads them from the
sources. Of the others a part of the reason is enough.
"""

_WAIT = "wait; on a devnet: joynet devnet time-travel DURATION"
_FUND = "joynet token balance; on a devnet: joynet devnet fund ADDRESS"
_ACCOUNT = "choose the right account with --account"
_RULES = "joynet dao show TLD shows the rules; joynet dao create --help their limits"
_CHARTER = "joynet tld charter show TLD"
_STATE = "joynet dao show TLD --proposal N says what can happen now"
_LOCKED = "joynet domain permissions explain NAME"
_DEPLOY = "joynet contracts deploy puts them on the chain in the right order"
_SIGN_AGAIN = "have it signed again: joynet dao vote N SUPPORT --sign-only"
_NORMAL = "names are lower case, without spaces, dots or control characters (ENSIP-15)"

# Full reason -> what helps.
EXACT = {
    # names
    "PermaNetDomainRegistry: bad label": _NORMAL,
    "PermaNetDomainRegistry: commit age too long": _DEPLOY,
    "PermaNetDomainRegistry: commit age too short": _DEPLOY,
    "PermaNetDomainRegistry: commitment too old": "begin again: joynet domain register NAME",
    "PermaNetDomainRegistry: commitment too young": _WAIT,
    "PermaNetDomainRegistry: duration too long": "at most ten years can be paid ahead",
    "PermaNetDomainRegistry: duration too short": "at least 28 days are paid at a time",
    "PermaNetDomainRegistry: in grace, only its owner renews": _ACCOUNT,
    "PermaNetDomainRegistry: name is permanent": "it never expires: there is nothing to pay",
    "PermaNetDomainRegistry: name taken": "joynet domain show NAME; or choose another name",
    "PermaNetDomainRegistry: no commit blocks": _DEPLOY,
    "PermaNetDomainRegistry: no permanent names here": _CHARTER,
    "PermaNetDomainRegistry: no such commitment": "begin again: joynet domain register NAME",
    "PermaNetDomainRegistry: not registered": "joynet domain register NAME",
    "PermaNetDomainRegistry: nothing to claim": "joynet dao treasury TLD shows what is owed",
    "PermaNetDomainRegistry: nothing to settle": "joynet dao treasury TLD shows what is owed",
    "PermaNetDomainRegistry: outflow limit reached": "nothing is lost: try again tomorrow",
    "PermaNetDomainRegistry: price above maximum": "it has changed: joynet domain quote NAME",
    "PermaNetDomainRegistry: records without resolver": "records need a resolver",
    "PermaNetDomainRegistry: rent not paid": _FUND,
    "PermaNetDomainRegistry: rent not sent": "the token refused the transfer: try again later",
    "PermaNetDomainRegistry: split over 100%": _CHARTER,
    "PermaNetDomainRegistry: too many commit blocks": _DEPLOY,
    "PermaNetDomainRegistry: unknown TLD": "joynet tld list",
    "PermaNetDomainRegistry: zero token": _DEPLOY,
    # tokens of names
    "name_tokens: no such locks": "locks are resolver, transfer, subnames and records",
    "name_tokens: no such token": "joynet domain show NAME",
    "name_tokens: not owner or approved": _ACCOUNT,
    "name_tokens: not owner or operator": _ACCOUNT,
    "name_tokens: not the live owner": _ACCOUNT,
    "name_tokens: resolver is locked": _LOCKED,
    "name_tokens: transfer is locked": _LOCKED,
    "name_tokens: unsafe receiver": "that contract cannot keep names: give it to another account",
    "name_tokens: wrong owner": "joynet domain show NAME",
    "name_tokens: zero owner": "give an account",
    "name_tokens: zero receiver": "give an account",
    # subnames
    "PermaNetSubnames: already over": "--days 1 or more",
    "PermaNetSubnames: bad label": _NORMAL,
    "PermaNetSubnames: cannot be taken back": _LOCKED,
    "PermaNetSubnames: ends after its parent": "joynet domain renew PARENT first",
    "PermaNetSubnames: name taken": "joynet domain subname revoke NAME first, if it was lent",
    "PermaNetSubnames: name too long": "a whole name has at most 255 bytes",
    "PermaNetSubnames: no TLD registry": _DEPLOY,
    "PermaNetSubnames: no registry": _DEPLOY,
    "PermaNetSubnames: no such locks": "joynet domain subname create --help",
    "PermaNetSubnames: not an extension": "it has that time already: joynet domain show NAME",
    "PermaNetSubnames: not live": "joynet domain subname create NAME",
    "PermaNetSubnames: not the parent's live owner": _ACCOUNT,
    "PermaNetSubnames: parent can be taken back": (
        "promise the parent first: joynet domain subname grant PARENT parent"
    ),
    "PermaNetSubnames: records without resolver": "records need a resolver",
    "PermaNetSubnames: subnames are locked": _LOCKED,
    # records
    "PermaNetResolver: address is not 20 bytes": "an Ethereum address is 0x and 40 hex digits",
    "PermaNetResolver: caller is not a registry": "joynet domain records set NAME KEY=VALUE",
    "PermaNetResolver: malformed name": _NORMAL,
    "PermaNetResolver: no registry": _DEPLOY,
    "PermaNetResolver: no subnames": _DEPLOY,
    "PermaNetResolver: no such function": "joynet domain records set --help",
    "PermaNetResolver: not the live owner": f"{_ACCOUNT}; or its records are locked",
    "PermaNetResolver: query too short": "joynet domain resolve NAME",
    "PermaNetResolver: record of another name": "each record must be about the name registered",
    "PermaNetResolver: record too short": "joynet domain records set --help",
    # TLDs
    "TldRegistry: TLD exists": "joynet tld show TLD",
    "TldRegistry: TLD paused": "joynet tld show TLD says until when",
    "TldRegistry: bad label": "a TLD has 2 to 63 of a-z, 0-9 and inner hyphens",
    "TldRegistry: caller is not the TLD owner": f"{_ACCOUNT}, or joynet dao propose TLD",
    "TldRegistry: caller may not pause": _ACCOUNT,
    "TldRegistry: cooling down": "a pause may follow another one only after a week",
    "TldRegistry: label reserved": f"only the TLD's owner may have it: {_CHARTER}",
    "TldRegistry: label too long": _CHARTER,
    "TldRegistry: label too short": _CHARTER,
    "TldRegistry: length out of range": "--lengths 1-63",
    "TldRegistry: not paused": "joynet tld show TLD",
    "TldRegistry: not the proposed owner": "its owner offers it: joynet tld offer TLD ACCOUNT",
    "TldRegistry: permanent term out of range": "--permanent-years 10 to 200; 0 ends the offer",
    "TldRegistry: premium out of range": "--premium at most 1000000000",
    "TldRegistry: price falls too much": "a price can at most halve in one change",
    "TldRegistry: price out of range": "at least 1 wei and at most 1 JOY a second",
    "TldRegistry: price rises too much": "a price can at most double in one change",
    "TldRegistry: split over 100%": "--split OWNER,BURN in per cent, together at most 100",
    "TldRegistry: treasury below its floor": f"the treasury's first share is its least: {_CHARTER}",
    "TldRegistry: unknown TLD": "joynet tld list",
    "TldRegistry: zero owner": "--owner ACCOUNT",
    "TldRegistry: zero treasury": "give an account",
    # governance
    "DaoExecutor: already initialised": "an executor is made once, by joynet dao create",
    "DaoExecutor: caller is not the DAO registry": "joynet dao propose TLD --from plan.yaml",
    "DaoExecutor: no code at target": "the target is no contract: check the address in the plan",
    "DaoExecutor: no such function": "check the signature in the plan",
    "PermaNetDAORegistry: bad signature": _SIGN_AGAIN,
    "PermaNetDAORegistry: caller is not the TLD owner": f"{_ACCOUNT}: joynet tld show TLD",
    "PermaNetDAORegistry: caller is not the executor": "joynet dao propose TLD --from plan.yaml",
    "PermaNetDAORegistry: delay not over": _WAIT,
    "PermaNetDAORegistry: did not succeed": _STATE,
    "PermaNetDAORegistry: execution delay out of range": _RULES,
    "PermaNetDAORegistry: grace period out of range": _RULES,
    "PermaNetDAORegistry: guardian term without a guardian": "--guardian ACCOUNT",
    "PermaNetDAORegistry: guardian term too long": "--guardian-days 365 or less",
    "PermaNetDAORegistry: has voted": "a vote cannot be changed",
    "PermaNetDAORegistry: it is over": _STATE,
    "PermaNetDAORegistry: late quorum extension out of range": _RULES,
    "PermaNetDAORegistry: may not cancel": "vote against it: joynet dao vote N against",
    "PermaNetDAORegistry: may not retire the guardian": _ACCOUNT,
    "PermaNetDAORegistry: no TLD registry": _DEPLOY,
    "PermaNetDAORegistry: no calls": "a plan has 1 to 8 actions",
    "PermaNetDAORegistry: no executor code": _DEPLOY,
    "PermaNetDAORegistry: no guardian": "joynet dao show TLD",
    "PermaNetDAORegistry: no such DAO": "joynet dao list",
    "PermaNetDAORegistry: no such proposal": "joynet dao show TLD",
    "PermaNetDAORegistry: no such vote": "a vote is for, against or abstain",
    "PermaNetDAORegistry: no token": _DEPLOY,
    "PermaNetDAORegistry: no votes at the snapshot": (
        "only stake held, or delegated, at the snapshot votes: joynet dao power"
    ),
    "PermaNetDAORegistry: not active": _STATE,
    "PermaNetDAORegistry: not queued": _STATE,
    "PermaNetDAORegistry: not the calls proposed": "joynet dao execute N takes them from the log",
    "PermaNetDAORegistry: quorum out of range": _RULES,
    "PermaNetDAORegistry: signature expired": _SIGN_AGAIN,
    "PermaNetDAORegistry: threshold out of range": _RULES,
    "PermaNetDAORegistry: votes below the threshold": "joynet dao power --tld TLD says what lacks",
    "PermaNetDAORegistry: voting delay out of range": _RULES,
    "PermaNetDAORegistry: voting period out of range": _RULES,
    "PermaNetDAORegistry: wrong nonce": _SIGN_AGAIN,
}
# Part of a reason, in lower case -> what helps.
PARTS = {
    "insufficient balance": _FUND,
    "exceeds balance": _FUND,
    "insufficient allowance": "joynet token approve SPENDER AMOUNT",
    "not enough free stake": "joynet stake show; joynet stake add AMOUNT",
    "free provision too low": "joynet stake provision NodeCoordinator AMOUNT",
    "free balance too low": "joynet payment deposit AMOUNT",
    "outflow limit": "nothing is lost: try again in the next epoch",
    "paused": "withdrawals still work; a pause ends by itself",
    "model is not listed": "joynet model show REF",
    "model not listed": "joynet model show REF",
    "still thawing": _WAIT,
    "still unbonding": _WAIT,
    "delay not over": _WAIT,
    "notice not over": _WAIT,
    "too many actions": "wait a little: registrations of one account are limited",
    "model needs a licence": "joynet model buy REF --for-node",
    "terms changed": "look at them and try again: joynet model terms REF",
    "licence is not settled": "first, after its dispute window: joynet model settle",
    "not settled yet": "first, after its dispute window: joynet model settle",
    "licence is for ever": "it never expires: there is nothing to pay",
    "key hash is fixed": "files sealed with another key are another model: publish them",
    "period too short": "--days 1 or more",
    "caller is not": _ACCOUNT,
}


def hint_for(reason: str) -> str | None:
    """What helps after a revert with this reason, or None.

    Args:
        reason: The whole revert string, "Contract: reason".
    """
    if exact := EXACT.get(reason):
        return exact
    lower = reason.lower()
    return next((hint for part, hint in PARTS.items() if part in lower), None)

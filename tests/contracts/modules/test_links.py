"""links: an empty link is set at once, a link in use only after the delay."""

import boa
import pytest

NAME = "NodeCoordinator"
LINK_DELAY = 86_400  # seconds, as in conftest
ZERO = "0x" + "00" * 20


@pytest.fixture
def targets(deploy_harness):
    return [deploy_harness().address for _ in range(2)]


@pytest.fixture
def linked(harness, owner, targets):
    harness.set_link(NAME, targets[0], sender=owner)
    return harness


def test_set_empty_link_is_immediate(linked, targets):
    [event] = [e for e in linked.get_logs() if type(e).__name__ == "LinkSet"]
    assert (event.name, event.target) == (NAME, targets[0])
    assert linked.link(NAME) == linked.linked(NAME) == targets[0]
    assert linked.link("Other") == ZERO


def test_set_link_in_use_reverts(linked, owner, targets):
    with boa.reverts("links: already set"):
        linked.set_link(NAME, targets[1], sender=owner)


def test_read_of_missing_link_reverts(harness):
    with boa.reverts("links: not set"):
        harness.linked(NAME)


@pytest.mark.parametrize("function", ["set_link", "propose_link"])
def test_link_to_account_without_code_reverts(harness, linked, owner, stranger, function):
    name = "Other" if function == "set_link" else NAME
    with boa.reverts("links: no code at target"):
        getattr(harness, function)(name, stranger, sender=owner)


def test_propose_for_empty_link_reverts(harness, owner, targets):
    with boa.reverts("links: not set"):
        harness.propose_link(NAME, targets[1], sender=owner)


def test_apply_takes_effect_only_after_the_delay(linked, owner, targets):
    linked.propose_link(NAME, targets[1], sender=owner)
    ready_at = boa.env.timestamp + LINK_DELAY
    assert linked.pending_link(NAME) == (targets[1], ready_at)

    boa.env.timestamp = ready_at - 1
    with boa.reverts("links: delay not over"):
        linked.apply_link(NAME, sender=owner)
    assert linked.link(NAME) == targets[0]

    boa.env.timestamp = ready_at
    linked.apply_link(NAME, sender=owner)
    assert linked.link(NAME) == targets[1]
    with boa.reverts("links: nothing proposed"):
        linked.apply_link(NAME, sender=owner)


def test_second_proposal_restarts_the_delay(linked, owner, targets):
    linked.propose_link(NAME, targets[1], sender=owner)
    boa.env.timestamp += LINK_DELAY - 1
    linked.propose_link(NAME, targets[1], sender=owner)
    boa.env.timestamp += 1
    with boa.reverts("links: delay not over"):
        linked.apply_link(NAME, sender=owner)


def test_cancelled_proposal_cannot_be_applied(linked, owner, targets):
    linked.propose_link(NAME, targets[1], sender=owner)
    linked.cancel_link(NAME, sender=owner)
    [event] = [e for e in linked.get_logs() if type(e).__name__ == "LinkCancelled"]
    assert (event.name, event.target) == (NAME, targets[1])
    boa.env.timestamp += LINK_DELAY
    with boa.reverts("links: nothing proposed"):
        linked.apply_link(NAME, sender=owner)
    with boa.reverts("links: nothing proposed"):
        linked.cancel_link(NAME, sender=owner)


@pytest.mark.parametrize("function", ["set_link", "propose_link", "cancel_link", "apply_link"])
def test_links_by_stranger_revert(linked, stranger, targets, function):
    arguments = [NAME] if function in ("cancel_link", "apply_link") else [NAME, targets[1]]
    with boa.reverts("ownable: caller is not the owner"):
        getattr(linked, function)(*arguments, sender=stranger)


def test_delay_under_an_hour_reverts(deploy_harness):
    with boa.reverts("links: delay too short"):
        deploy_harness(link_delay=3_599)
    assert deploy_harness(link_delay=3_600).LINK_DELAY() == 3_600

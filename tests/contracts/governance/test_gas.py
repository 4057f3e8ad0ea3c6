"""Gas of what members do, as a transaction pays it, and that the code fits."""

import boa

JOY = 10**18
FOR = 1
CAPS = {"vote": 110_000, "second vote": 95_000, "propose": 260_000, "execute": 130_000}


def test_votes(transact, daos, lengths):
    """The first one opens the tally's slot; the second finds it. Each member has a history."""
    for _ in range(4):
        daos.blocks(1)
        daos.joy.delegate(daos.members["ann"], sender=daos.members["ann"])
    proposal = daos.propose(lengths)
    daos.open(proposal)
    for name, cap in (("ann", CAPS["vote"]), ("ben", CAPS["second vote"])):
        receipt = transact(daos.registry.vote, proposal, FOR, sender=daos.members[name])
        assert receipt.gas <= cap


def test_late_vote_that_makes_the_quorum(transact, daos, lengths):
    """The dearest vote: it looks the quorum up and moves the deadline."""
    proposal = daos.propose(lengths)
    daos.open(proposal)
    daos.blocks(45)
    receipt = transact(daos.registry.vote, proposal, FOR, sender=daos.members["ann"])
    assert daos.registry.proposal(proposal).deadline == daos.registry.clock() + 20
    assert receipt.gas <= CAPS["vote"]


def test_signed_vote(transact, daos, key, lengths, stranger):
    proposal = daos.propose(lengths)
    daos.open(proposal)
    vote = daos.signed(key, proposal, FOR)
    assert transact(daos.registry.vote_by_signature, *vote, sender=stranger).gas <= 140_000


def test_propose_and_execute(transact, daos, lengths):
    arguments = (1, lengths, b"\xd1" * 32)
    receipt = transact(daos.registry.propose, *arguments, sender=daos.members["ann"])
    assert receipt.gas <= CAPS["propose"]
    proposal = daos.passed(lengths)
    arguments = (proposal, lengths, b"\xd1" * 32)
    receipt = transact(daos.registry.execute, *arguments, sender=daos.members["ann"])
    assert receipt.gas <= CAPS["execute"]


def test_deployed_code_is_under_eip_170_and_3860(daos):
    code = boa.env.get_code(daos.registry.address)
    assert len(code) <= 24_576
    assert len(daos.registry.compiler_data.bytecode) <= 49_152
    assert len(boa.env.get_code(daos.registry.EXECUTOR_CODE())) <= 24_576
    assert len(boa.env.get_code(daos.executor(1))) == 45  # ERC-1167

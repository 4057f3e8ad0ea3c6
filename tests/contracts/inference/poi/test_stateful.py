"""Random lives: commits, reveals, lies, silence, escalations, in any order and at any time.

After every step the contract holds to the wei what it owes, and exactly the bonds that are at
stake are locked (`Network.check`), so no bond is freed twice and none is forgotten.
"""

from collections import Counter

import boa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

TRUTH, LIE = b"\x00\x07", b"\x40\x00"
ANSWERS = st.sampled_from([TRUTH, TRUTH, TRUTH, TRUTH, LIE, LIE, None])


def refusal(call, *args) -> str:
    """Why a call reverted; empty if it went through."""
    try:
        call(*args)
    except boa.BoaError as error:
        return str(error)
    return ""


def machine(network, exact, tolerant):
    class Jobs(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.anchor = boa.env.anchor()
            self.anchor.__enter__()
            network.jobs = {}
            self.paid = Counter()  # (job id, payout) -> payments for winning
            self.claimed = Counter()

        def teardown(self):
            self.anchor.__exit__(None, None, None)

        def pick(self, data, *statuses):
            jobs = [j for j in network.jobs.values() if network.status(j) in statuses]
            return data.draw(st.sampled_from(jobs)) if jobs else None

        @rule(n=st.sampled_from([1, 3, 3, 5]), is_exact=st.booleans(), seed=st.binary(max_size=2))
        def request(self, n, is_exact, seed):
            network.shake(seed)
            network.request(exact if is_exact else tolerant, n)

        @rule(data=st.data())
        def draw(self, data):
            if job := self.pick(data, network.REQUESTED):
                late = boa.env.evm.patch.block_number > network.job(job).request_block + 258
                if late:
                    network.poi.expire(job.id)
                else:
                    network.draw(job)

        @rule(data=st.data(), answers=st.lists(ANSWERS, min_size=15, max_size=15))
        def commit(self, data, answers):
            """Everyone who has not committed does, except for a few silent ones."""
            if job := self.pick(data, network.COMMIT):
                silent = data.draw(st.sets(st.integers(0, job.n - 1), max_size=job.n // 2))
                for seat in set(range(job.n)) - silent - set(job.work):
                    network.commit(job, seat, answers[seat])

        @rule(data=st.data())
        def reveal(self, data):
            if job := self.pick(data, network.REVEAL):
                silent = data.draw(st.sets(st.integers(0, job.n - 1), max_size=job.n // 3))
                for seat, member in enumerate(network.members(job)):
                    if member.state == network.COMMITTED and seat not in silent:
                        network.reveal(job, seat)

        @rule(data=st.data())
        def propose(self, data):
            if job := self.pick(data, network.PROPOSE):
                seat = data.draw(st.integers(0, job.n - 1))
                outputs = network.outputs(job)
                _, best, _ = network.poi.proposal(job.id)
                revealed = network.members(job)[seat].state == network.REVEALED
                if revealed and outputs.count(outputs[seat]) > best:
                    network.poi.propose(job.id, seat, outputs)
                else:
                    with boa.reverts():
                        network.poi.propose(job.id, seat, outputs)

        @rule(data=st.data())
        def finalise(self, data):
            if job := self.pick(data, network.READY):
                network.poi.finalise(job.id)
                for event in network.poi.get_logs():
                    if type(event).__name__ == "Finalised":
                        self.count_winners(job, event.winners)

        def count_winners(self, job, winners):
            seats = [i for i in range(job.n) if winners >> i & 1]
            assert 2 * len(seats) > job.n, "a minority finalised"
            for seat in seats:
                assert network.members(job)[seat].state == network.REVEALED
                self.paid[job.id, network.node_at(job, seat).payout] += 1

        @rule(data=st.data())
        def escalate(self, data):
            if job := self.pick(data, network.DISPUTED):
                winner = network.job(job).winner
                accused = [
                    seat
                    for seat, m in enumerate(network.members(job))
                    if m.state == network.REVEALED and m.digest != winner
                ]
                is_open = (
                    network.job(job).deadline >= boa.env.evm.patch.timestamp
                    and int(network.poi.dispute(job.id).vault, 16) == 0
                )
                if accused and is_open:
                    network.escalate(job, data.draw(st.sampled_from(accused)))

        @rule(data=st.data())
        def settle(self, data):
            if job := self.pick(data, network.DISPUTED):
                refused = refusal(network.poi.settle, job.id)
                assert not refused or "still open" in refused

        @rule(data=st.data())
        def slash(self, data):
            if job := self.pick(data, network.DISPUTED, network.SETTLED, network.LAPSED):
                seat = data.draw(st.integers(0, job.n - 1))
                before = network.members(job)[seat]
                refused = refusal(network.poi.execute_slash, job.id, seat)
                if refused:
                    assert "still open" in refused or "nothing to slash" in refused
                else:
                    assert before.state == network.REVEALED
                    assert before.digest != network.job(job).winner

        @rule(seconds=st.sampled_from([1, 25, 35, 3_700, 90_000]), blocks=st.sampled_from([1, 99]))
        def wait(self, seconds, blocks):
            network.mine(blocks, seconds)

        @rule(data=st.data())
        def claim(self, data):
            node = data.draw(st.sampled_from(list(network.nodes.values())))
            self.claimed[node.payout] += network.poi.claim_for(node.payout)

        @invariant()
        def books_balance(self):
            network.check()

        @invariant()
        def nobody_is_paid_twice(self):
            assert all(count == 1 for count in self.paid.values())
            each = network.MAX_FEE - network.FEE
            for node in network.nodes.values():
                wins = sum(c for (_, payout), c in self.paid.items() if payout == node.payout)
                earned = network.poi.claimable(node.payout) + self.claimed[node.payout]
                allowances = earned - wins * each
                assert allowances >= 0
                assert allowances % network.GAS_ALLOWANCE == 0

    return Jobs


def test_random_lives_keep_the_books(network, exact):
    network.add_nodes(9, exact)
    tolerant = network.list_model(2, verification=network.TOLERANT, tolerance=2)
    for node in network.nodes.values():
        network.coordinator.set_offer(node.id, tolerant, network.MAX_FEE, 0, sender=node.vault)
    run_state_machine_as_test(
        lambda: machine(network, exact, tolerant)(),
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

"""Random lives: commits, reveals, lies, silence, escalations, in any order and at any time.

After every step the contract holds to the wei what it owes, and exactly the bonds that are at
stake are locked (`Network.check`), so no bond is freed twice and none is forgotten.
"""

from collections import Counter

import boa
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

TRUTH, LIE = b"\x00\x07", b"\x40\x00"
LIVE_JOBS = 4


def refusal(call, *args) -> str:
    """Why a call reverted; empty if it went through."""
    try:
        call(*args)
    except boa.BoaError as error:
        return error.stack_trace.last_frame.pretty_vm_reason
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
            self.steps = {
                network.REQUESTED: self.draw,
                network.COMMIT: self.commit,
                network.REVEAL: self.reveal,
                network.PROPOSE: self.propose,
                network.READY: self.finalise,
                network.DISPUTED: self.argue,
                network.SETTLED: self.slash,
                network.LAPSED: self.slash,
            }

        def teardown(self):
            for job in network.jobs.values():
                event(f"status {network.status(job)}, escalation {network.job(job).parent > 0}")
            self.anchor.__exit__(None, None, None)

        # what can happen
        @initialize(seed=st.binary(max_size=2), lies=st.sampled_from([0, 1, 1, 2]))
        def first_job(self, seed, lies):
            network.shake(seed)
            job = network.started(exact)
            network.answer(job, {seat: LIE if seat < lies else TRUTH for seat in range(3)})
            self.finalise(job, None)
            network.check()

        @rule(data=st.data(), kind=st.sampled_from(["move"] * 5 + ["request", "wait", "claim"]))
        def act(self, data, kind):
            getattr(self, kind)(data)
            if kind != "move":
                network.check()

        def request(self, data):
            if sum(network.status(j) < network.SETTLED for j in network.jobs.values()) < LIVE_JOBS:
                model_id = data.draw(st.sampled_from([exact, tolerant]))
                network.request(model_id, data.draw(st.sampled_from([1, 3, 3, 5])))

        def move(self, data):
            """One job goes on, a few steps at a time."""
            jobs = [j for j in network.jobs.values() if network.status(j) in self.steps]
            if jobs:
                job = data.draw(st.sampled_from(jobs))
                for _ in range(data.draw(st.integers(1, 6))):
                    if network.status(job) in self.steps:
                        self.steps[network.status(job)](job, data)
                        network.check()

        def wait(self, data):
            seconds = data.draw(st.sampled_from([1, 25, 35, 3_700, 90_000]))
            network.mine(data.draw(st.sampled_from([1, 99])), seconds)

        def claim(self, data):
            node = data.draw(st.sampled_from(list(network.nodes.values())))
            self.claimed[node.payout] += network.poi.claim_for(node.payout)

        # the steps of a job
        def draw(self, job, data):
            if boa.env.evm.patch.block_number > network.job(job).request_block + 258:
                network.poi.expire(job.id)
            else:
                network.draw(job)

        def commit(self, job, data):
            """Everyone who has not committed does, except for a few silent ones."""
            silent = data.draw(st.sets(st.integers(0, job.n - 1), max_size=job.n // 3))
            liars = data.draw(st.sets(st.integers(0, job.n - 1), max_size=job.n // 2 + 1))
            lost = data.draw(st.sets(st.integers(0, job.n - 1), max_size=1))
            for seat in set(range(job.n)) - silent - set(job.work):
                network.commit(job, seat, None if seat in lost else LIE if seat in liars else TRUTH)
            if network.status(job) == network.COMMIT:
                network.mine(1, 31)

        def reveal(self, job, data):
            silent = data.draw(st.sets(st.integers(0, job.n - 1), max_size=job.n // 4))
            for seat, member in enumerate(network.members(job)):
                if member.state == network.COMMITTED and seat not in silent:
                    network.reveal(job, seat)
            if network.status(job) == network.REVEAL:
                network.mine(1, 31)

        def propose(self, job, data):
            seat = data.draw(st.integers(0, job.n - 1))
            outputs = network.outputs(job)
            _, best, _ = network.poi.proposal(job.id)
            has_output = network.members(job)[seat].state == network.REVEALED
            refused = refusal(network.poi.propose, job.id, seat, outputs)
            assert bool(refused) != (has_output and outputs.count(outputs[seat]) > best)

        def finalise(self, job, data):
            network.poi.finalise(job.id)
            for log in network.poi.get_logs():
                if type(log).__name__ == "Finalised":
                    self.count_winners(job, log.winners)

        def count_winners(self, job, winners):
            seats = [i for i in range(job.n) if winners >> i & 1]
            assert 2 * len(seats) > job.n, "a minority finalised"
            for seat in seats:
                assert network.members(job)[seat].state == network.REVEALED
                self.paid[job.id, network.node_at(job, seat).payout] += 1

        def argue(self, job, data):
            """An accused member escalates, or a fresh committee is called, or the dispute ends."""
            winner = network.job(job).winner
            accused = [
                seat
                for seat, m in enumerate(network.members(job))
                if m.state == network.REVEALED and m.digest != winner
            ]
            dispute = network.poi.dispute(job.id)
            is_open = network.job(job).deadline >= boa.env.evm.patch.timestamp
            if int(dispute.vault, 16) == 0 and accused and is_open and data.draw(st.integers(0, 2)):
                network.escalate(job, data.draw(st.sampled_from(accused)))
            elif (
                dispute.escalation and network.poi.job(dispute.escalation).status < network.SETTLED
            ):
                escalation = network.jobs[dispute.escalation]
                self.steps[network.status(escalation)](escalation, data)
            elif "no fresh committee now" not in (refused := refusal(network.convene, job)):
                assert not refused
            else:
                network.mine(1, data.draw(st.sampled_from([60, 4_000, 90_000])))
                refused = refusal(network.poi.settle, job.id)
                assert not refused or "still open" in refused

        def slash(self, job, data):
            seat = data.draw(st.integers(0, job.n - 1))
            before = network.members(job)[seat]
            refused = refusal(network.poi.execute_slash, job.id, seat)
            is_guilty = (
                network.status(job) == network.SETTLED
                and network.job(job).verification == network.EXACT
                and before.state == network.REVEALED
                and before.digest != network.job(job).winner
            )
            assert "nothing to slash" in refused or is_guilty
            assert bool(refused) != is_guilty

        # what always holds
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
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

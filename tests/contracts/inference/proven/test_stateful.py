"""Random lives of jobs: after every step the contract holds to the wei what it owes."""

import boa
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test


def machine(prover, model, nodes):
    class Jobs(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.anchor = boa.env.anchor()
            self.anchor.__enter__()
            prover.orders = []

        def teardown(self):
            self.anchor.__exit__(None, None, None)

        @rule(which=st.integers(0, 1), seconds=st.sampled_from([1, 30, 125]))
        def ask(self, which, seconds):
            node = nodes[which]
            if prover.proven.record_of(node.id).open < 3:
                extra = {"commitment": prover.C_X} if which else {}
                data = prover.LONG_INPUT if which else prover.INPUT
                client = boa.env.generate_address()  # a fresh one: refusals have a cool-down
                prover.request(model, node, data, client=client, **extra)
            prover.mine(1, seconds)
            prover.check()

        @rule(data=st.data(), act=st.sampled_from(["prove", "lie", "refuse", "expire", "claim"]))
        def act(self, data, act):
            if prover.orders:
                order = data.draw(st.sampled_from(prover.orders))
                job, now = prover.job(order), boa.env.evm.patch.timestamp
                is_open, late = job.status == prover.OPEN, now > job.deadline
                expected = {
                    "prove": is_open and not late,
                    "lie": is_open and not late,
                    "refuse": is_open and now <= job.refusable_until,
                    "expire": is_open and late,
                    "claim": True,
                }[act]
                assert getattr(self, act)(order, job) == expected
            prover.mine(1, 5)
            prover.check()

        def prove(self, order, job):
            return self.went(prover.submit, order)

        def lie(self, order, job):
            return self.went(lambda: prover.submit(order, proof=b"") or True)

        def refuse(self, order, job):
            return self.went(prover.proven.refuse, order.id, sender=order.node.operator)

        def expire(self, order, job):
            return self.went(prover.proven.expire, order.id)

        def claim(self, order, job):
            owed = prover.proven.claimable(job.client)
            before = prover.joy.balanceOf(job.client)
            prover.proven.claim_for(job.client)
            return prover.joy.balanceOf(job.client) == before + owed

        def went(self, call, *args, **options):
            try:
                call(*args, **options)
            except boa.BoaError:
                return False
            return True

    return Jobs


def run(prover, model, nodes, examples, steps):
    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: machine(prover, model, nodes)(), settings=limits)


def test_books_balance_whatever_happens(prover, model, node, long_node):
    run(prover, model, (node, long_node), 4, 12)


@pytest.mark.soak
@pytest.mark.timeout(1_200)
def test_books_balance_over_long_lives(prover, model, node, long_node):
    run(prover, model, (node, long_node), 60, 60)

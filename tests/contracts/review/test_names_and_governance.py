"""Names and DAOs, attacked across their contracts."""

import boa
import pytest

from ..governance.conftest import *  # noqa: F403
from ..governance.conftest import DAY, FOR, JOY
from ..domains.conftest import GRACE, YEAR, PERMANENT

def test_executor_takes_ether_while_it_executes(deploy, daos):
    boa.env.set_balance(daos.executor(1), 10 * JOY)
    src = """
# pragma version ~=0.4.3
deposits: HashMap[address, uint256]
@external
@payable
def deposit():
    self.deposits[msg.sender] += msg.value
@external
def withdraw(amount: uint256):
    self.deposits[msg.sender] -= amount
    raw_call(msg.sender, b"", value=amount)
"""
    weth = boa.loads(src)
    calls = [daos.call(weth, "deposit", amount=JOY), daos.call(weth, "withdraw", JOY)]
    p = daos.passed(calls)
    daos.execute(p, calls)
    assert boa.env.get_balance(daos.executor(1)) == 10 * JOY

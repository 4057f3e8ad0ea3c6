"""The long-running node: serves inference, votes in committees, redeems vouchers."""

"""Records of a name: read them all, set some, or bring them to what a zone file says."""

from collections.abc import Sequence
from dataclasses import dataclass

from joynet_sdk.domains.names import namehash
from joynet_sdk.domains.records import MAX_PER_NAME, Record, call_of, keys_in, read_record
from joynet_sdk.domains.registration import set_records
from joynet_sdk.domains.registry import NameRegistry, Registration
from joynet_sdk.domains.resolution import RESOLVER, Resolution, Trace, no_trace
from joynet_sdk.domains.zone import Change, Zone, diff
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.ports import Chain, Flows, Run

RECORDS_FLOW = "domain.records"


@dataclass(frozen=True, slots=True)
class Plan:
    """What brings a name's records to what is wanted.

    Attributes:
        changes: Record by record.
        is_cleared: All records are deleted first, in one call, because that takes fewer calls.
        calls: How many calls of the resolver; up to 16 go into one transaction.
        needs_resolver: The name points to no resolver or another one, which is changed first.
    """

    name: str
    changes: tuple[Change, ...]
    is_cleared: bool
    calls: int
    needs_resolver: bool
    writes: tuple[Record, ...]


class RecordBook:
    """Reached as `joynet.domains.records`."""

    def __init__(
        self, chain: Chain, flows: Flows, registry: NameRegistry, resolution: Resolution
    ) -> None:
        self._chain, self._flows = chain, flows
        self._registry, self._resolution = registry, resolution

    def show(self, name: str, *, trace: Trace = no_trace) -> list[Record]:
        """Every record that answers for a name, by key.

        Raises:
            NotFoundError: Nothing answers for it.
        """
        route = self._resolution.route(name, trace)
        keys = self._keys(route.source)
        found = (read_record(route.read, key) for key in keys)
        return [record for record in found if record.value]

    def _keys(self, name: str) -> list[str]:
        """Keys that the name may have records of, from the resolver's events."""
        resolver, filters = self._chain.contract(RESOLVER), {"node": namehash(name)}
        kinds = ("AddressChanged", "TextChanged")
        events = {k: [e.args for e in resolver.events(k, filters=filters)] for k in kinds}
        keys = keys_in(events)
        if len(keys) > MAX_PER_NAME:
            raise InvalidInputError(
                f"{name} has had {len(keys)} different records, at most {MAX_PER_NAME} are read",
                hint=f"joynet domain records clear {name}",
            )
        return keys

    def set(self, name: str, records: Sequence[Record]) -> Registration:
        """Set records of a name of this account; those with an empty value are deleted.

        Raises:
            InvalidInputError: No records, or one of them twice.
            AuthError: Somebody else's name.
        """
        if not records or len({record.key for record in records}) != len(records):
            raise InvalidInputError(
                f"records are {[record.key for record in records]}, expected each one once"
            )
        found = self._registry.mine(name)
        if len(records) == 1 and not self._needs_resolver(found):
            call = call_of(records[0])
            resolver = self._chain.contract(RESOLVER)
            resolver.transact(call.function, found.node, *call.args)
            return found
        self._start(found, records, is_cleared=False)
        return found

    def clear(self, name: str) -> Registration:
        """Delete all records of a name at once."""
        found = self._registry.mine(name)
        self._chain.contract(RESOLVER).transact("clearRecords", found.node)
        return found

    def plan(self, name: str, zone: Zone) -> Plan:
        """What would bring a name's records to what a zone file says.

        Raises:
            InvalidInputError: The file is about another name.
        """
        found = self._registry.live(name)
        if zone.name is not None and self._registry.normalise(zone.name) != found.name:
            raise InvalidInputError(f"the zone file is about {zone.name!r}, not {found.name!r}")
        needs_resolver = self._needs_resolver(found)
        before = [] if needs_resolver else self.show(found.name)
        changes = diff(before, zone.records)
        is_cleared = len(zone.records) + 1 < len(changes)
        writes = (
            zone.records
            if is_cleared
            else tuple(Record(change.key, change.after) for change in changes)
        )
        calls = len(writes) + is_cleared
        return Plan(found.name, tuple(changes), is_cleared, calls, needs_resolver, tuple(writes))

    def apply(self, plan: Plan) -> list[Record]:
        """Carry a plan out.

        Returns:
            The records afterwards.
        """
        found = self._registry.mine(plan.name)
        if plan.calls or plan.needs_resolver:
            self._start(found, plan.writes, is_cleared=plan.is_cleared)
        return self.show(plan.name)

    def _needs_resolver(self, found: Registration) -> bool:
        return str(found.resolver) != str(self._chain.contract(RESOLVER).address)

    def _start(self, found: Registration, records: Sequence[Record], *, is_cleared: bool) -> None:
        args = {
            "name": found.name,
            "is_subname": found.parent is not None,
            "set_resolver": self._needs_resolver(found),
            "clear": is_cleared,
            "records": [[record.key, record.value] for record in records],
        }
        self._flows(RECORDS_FLOW, f"set {len(records)} records of {found.name}", args)


def records_flow(run: Run) -> None:
    """set_resolver if it must change, then all records in multicalls."""
    session, args = run.session, run.args
    resolver, node = session.contract(RESOLVER), namehash(args["name"])
    if args["set_resolver"]:
        kind = "PermaNetSubnames" if args["is_subname"] else "PermaNetDomainRegistry"
        run.transact("resolver", session.contract(kind), "set_resolver", node, resolver.address)
    first = resolver.abi.encode_call("clearRecords", [node]) if args["clear"] else b""
    records = [Record(key, value) for key, value in args["records"]]
    set_records(run, args["name"], records, first)

"""The prover's rounds of a batched sumcheck on a device (kernels/sumcheck.cl).

One launch per round folds the tables of all instances and evaluates all terms; a second, small one
adds up the message. What each launch has to do does not depend on challenges, so all of it is laid
out and uploaded before the first round.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from joynet_sdk.proofs.field import FR, from_limbs
from joynet_sdk.proofs.runtime import Runtime
from joynet_sdk.proofs.vectors import ELEMENT_BYTES, FrVector, montgomery

if TYPE_CHECKING:
    from joynet_sdk.proofs.sumcheck import Instance, Message

FILES = {
    True: ("bn254_field", "bn254_lanes", "bn254_wide", "sumcheck"),
    False: ("bn254_field", "bn254_wide", "sumcheck"),
}  # on a CPU and elsewhere
SCALARS = 3  # c0, c2, c3: all that terms of three factors need
SOURCES = 8  # buffers that a kernel reads tables from
GROUP = {True: 1, False: 64}  # work-items of a group, on a CPU and elsewhere
CHUNK = {True: 2048, False: 512}  # entries of a task, even

u32, u64 = np.uint32, np.uint64
Place = tuple[int, int, int, int]
"""Identity of a table: buffer, offset, length, variables. Equal ones are folded once."""


@dataclass(eq=False)
class Cluster:
    """Instances connected by shared tables.

    Attributes:
        variables: Of every instance in it.
        tables: Its tables, in order of first use.
        terms: (coefficient with the instance's weight, places of the factors).
    """

    variables: int
    tables: list[Place]
    terms: list[tuple[int, tuple[Place, ...]]]

    def live(self, folds: int) -> int:
        """Most entries that can be nonzero in any of its tables after `folds` folds."""
        return ((max(place[2] for place in self.tables) - 1) >> folds) + 1


class Rounds:
    """The state of one proof on the device.

    Attributes:
        count: Rounds, the most variables of any instance.
    """

    def __init__(self, instances: "Sequence[Instance]", degree: int) -> None:
        self.runtime: Runtime = instances[0].tables[0].runtime
        self.count = max(instance.variables for instance in instances)
        self._degree = degree
        self._folds = 0
        self._challenge = montgomery(0)
        self._clusters = _clusters(instances)
        self._order = {
            place: index
            for index, place in enumerate(p for cluster in self._clusters for p in cluster.tables)
        }
        self._wanted = [
            [self._order[_place(table, each.variables)] for table in each.tables]
            for each in instances
        ]
        cpu = self.runtime.is_cpu
        self._group, self._chunk = GROUP[cpu], CHUNK[cpu]
        defines = {"GROUP_ITEMS": self._group}
        self._round = self.runtime.kernel("sumcheck_round", *FILES[cpu], defines=defines)
        self._sum = self.runtime.kernel("sumcheck_message", *FILES[cpu], defines=defines)
        sources = self._gather(instances)
        self._upload(sources)

    # --- what the protocol sees

    def message(self) -> "Message":
        """c0, c2, ..., cd of the next round."""
        active, total = self._launch()
        runtime = self.runtime
        buffers = (self._partials, self._done, self._message)
        counts = (u32(active), u32(total))
        runtime.launch(self._sum, self._group, *buffers, *counts, group=self._group)
        scalars = from_limbs(runtime.download(self._message, (SCALARS, 4), np.uint64))
        return (*scalars, *[0] * self._degree)[: self._degree]

    def fold(self, challenge: int) -> None:
        """Bind the next variable of every instance; it happens with the next launch."""
        self._challenge = montgomery(challenge)
        self._folds += 1

    def values(self) -> list[list[int]]:
        """Per instance the value of each of its tables, after the last round."""
        self._launch()
        final = self._work.slice(self._finals, len(self._order)).to_ints()
        return [[final[index] for index in indices] for indices in self._wanted]

    # --- inside

    def _launch(self) -> tuple[int, int]:
        """Run the tasks of the current round; (tasks that go on, all tasks)."""
        first, active, total = self._tasks_of[self._folds]
        if total:
            numbers = (u32(first), u32(self._folds), u32(self._finals))
            self.runtime.launch(
                self._round,
                total * self._group,
                *self._arguments,
                *numbers,
                *self._challenge,
                group=self._group,
            )
        return active, total

    def _gather(self, instances: "Sequence[Instance]") -> dict[Place, tuple[int, int]]:
        """Choose the buffers to read tables from: place -> (source, offset).

        The kernel takes eight. When tables lie in more, the smaller ones are copied together.
        """
        vectors = {
            _place(table, each.variables): table for each in instances for table in each.tables
        }
        elements: dict[int, int] = {}
        for place in vectors:
            elements[place[0]] = elements.get(place[0], 0) + place[2]
        ranked = sorted(elements, key=lambda key: -elements[key])
        direct = ranked if len(ranked) <= SOURCES else ranked[: SOURCES - 1]
        buffers = {place[0]: vector.buffer for place, vector in vectors.items()}
        self._sources = [buffers[key] for key in direct]
        where = {
            place: (direct.index(place[0]), place[1]) for place in vectors if place[0] in direct
        }
        rest = [place for place in vectors if place not in where]
        if rest:
            pool = FrVector.empty(self.runtime, sum(place[2] for place in rest))
            self._sources.append(pool.buffer)
            at = 0
            for place in rest:
                pool.slice(at, place[2]).write(vectors[place])
                where[place] = (len(direct), at)
                at += place[2]
        return where

    def _upload(self, sources: dict[Place, tuple[int, int]]) -> None:
        places = np.zeros((len(self._order), 6), np.uint32)
        odd = even = 0
        for place, index in self._order.items():
            length = place[2]
            places[index] = (*sources[place], length, place[3], odd, even)
            odd += (length + 1) // 2
            even += (length + 3) // 4
        places[:, 5] += u32(odd)
        self._finals = odd + even
        self._work = FrVector.empty(self.runtime, self._finals + len(self._order))

        terms = [term for cluster in self._clusters for term in cluster.terms]
        factors = np.zeros((len(terms), 4), np.uint32)
        for row, (_, used) in zip(factors, terms, strict=True):
            row[: len(used)] = [self._order[place] for place in used]
            row[3] = len(used)
        bounds, tables_end, terms_end = [], 0, 0
        for cluster in self._clusters:
            tables, ended = tables_end + len(cluster.tables), terms_end + len(cluster.terms)
            bounds.append((tables_end, tables, terms_end, ended))
            tables_end, terms_end = tables, ended
        tasks = self._tasks()
        most = max(total for _, _, total in self._tasks_of)
        runtime = self.runtime
        self._partials = runtime.empty(most * SCALARS * ELEMENT_BYTES)
        self._message = runtime.empty(SCALARS * ELEMENT_BYTES)
        self._done = runtime.upload(np.zeros(4, np.uint64))
        self._coefficients = FrVector.from_ints(runtime, [value for value, _ in terms])
        self._arguments: tuple[Any, ...] = (
            *self._sources,
            *self._sources[:1] * (SOURCES - len(self._sources)),
            self._work.buffer,
            runtime.upload(places),
            runtime.upload(factors),
            self._coefficients.buffer,
            runtime.upload(np.array(bounds, np.uint32)),
            runtime.upload(tasks),
            self._partials,
        )

    def _tasks(self) -> NDArray[np.uint32]:
        """Tasks of all rounds (cluster, start, end, 0); fills the list of where a round's are."""
        self._tasks_of: list[tuple[int, int, int]] = []
        rows: list[tuple[int, int, int, int]] = []
        for folds in range(self.count + 1):
            first = len(rows)
            for index, cluster in enumerate(self._clusters):
                if folds < cluster.variables:
                    live = cluster.live(folds)
                    starts = range(0, live, self._chunk)
                    rows += [(index, at, min(at + self._chunk, live), 0) for at in starts]
            active = len(rows) - first
            rows += [
                (index, 0, 1, 0)
                for index, cluster in enumerate(self._clusters)
                if folds == cluster.variables
            ]
            self._tasks_of.append((first, active, len(rows) - first))
        return np.array(rows, np.uint32)


def _place(table: FrVector, variables: int) -> Place:
    return table.buffer.int_ptr, table.offset, table.length, variables


def _clusters(instances: "Iterable[Instance]") -> list[Cluster]:
    """Put instances together that share a table."""
    clusters: list[Cluster] = []
    owner: dict[Place, Cluster] = {}
    for each in instances:
        places = [_place(table, each.variables) for table in each.tables]
        found = [owner[place] for place in places if place in owner]
        home = found[0] if found else Cluster(each.variables, [], [])
        if not found:
            clusters.append(home)
        for other in found[1:]:
            if other is not home and other in clusters:
                clusters.remove(other)
                home.terms += other.terms
                home.tables += other.tables
                owner.update(dict.fromkeys(other.tables, home))
        for place in places:
            if owner.setdefault(place, home) is home and place not in home.tables:
                home.tables.append(place)
        home.terms += [
            (
                each.coefficient * term.coefficient % FR,
                tuple(places[factor] for factor in term.factors),
            )
            for term in each.terms
        ]
    return clusters

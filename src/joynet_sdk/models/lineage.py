"""Where a model comes from, and what was made of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from joynet_sdk.models.listing import Stake

MAX_LEVELS = 8  # what ModelMarketplace allows
MAX_RELATIVES = 512  # in each direction

Relations = Callable[[str], Sequence[Stake]]
"""Model id as 0x hex -> its parents, or its children, with the parent's share."""


@dataclass(frozen=True, slots=True)
class Relative:
    """A model in a tree of parents or of children.

    Attributes:
        model: Model id as 0x hex.
        title: From its manifest, or None where that is not here.
        share_bps: What the parent of the two gets of the child's income.
        relatives: Its own parents (or children); empty where it stands elsewhere in the tree too.
        is_repeated: Whether it is shown with its relatives elsewhere.
    """

    model: str
    title: str | None
    share_bps: int
    relatives: tuple["Relative", ...]
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class Lineage:
    """A model with its parents upwards and its children downwards.

    Attributes:
        is_cut: Whether there are more relatives than the 512 of each direction that are listed.
    """

    model: str
    title: str | None
    parents: tuple[Relative, ...]
    children: tuple[Relative, ...]
    is_cut: bool


def trace(
    model: str, parents: Relations, children: Relations, title: Callable[[str], str | None]
) -> Lineage:
    """The relatives of a model; each is listed with its own relatives once."""
    up, down = _Walk(parents, title), _Walk(children, title)
    seen_up, seen_down = up.of(model, 0), down.of(model, 0)
    return Lineage(model, title(model), seen_up, seen_down, up.is_cut or down.is_cut)


class _Walk:
    """One direction."""

    def __init__(self, relations: Relations, title: Callable[[str], str | None]) -> None:
        self._relations, self._title = relations, title
        self._seen: set[str] = set()
        self._count = 0
        self.is_cut = False

    def of(self, model: str, level: int) -> tuple[Relative, ...]:
        self._seen.add(model)
        if level == MAX_LEVELS:
            return ()
        found = []
        for stake in self._relations(model):
            if self._count == MAX_RELATIVES:
                self.is_cut = True
                break
            self._count += 1
            is_repeated = stake.whom in self._seen
            below = () if is_repeated else self.of(stake.whom, level + 1)
            title = self._title(stake.whom)
            found.append(Relative(stake.whom, title, stake.share_bps, below, is_repeated))
        return tuple(found)

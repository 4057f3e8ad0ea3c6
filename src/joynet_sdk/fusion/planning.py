"""From a spec and its parents' headers to a plan: no tensor is read here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from joynet_sdk import merges
from joynet_sdk.errors import InvalidInputError
from joynet_sdk.fusion import vocabulary
from joynet_sdk.fusion.layers import (
    Place,
    Stacks,
    comes_before,
    is_vocabulary,
    name_at,
    stacks_of,
    tied_to,
)
from joynet_sdk.fusion.outline import Part, Section, outline
from joynet_sdk.fusion.result_files import read_config, result_files
from joynet_sdk.fusion.spec import Tokenizer, WeightsSpec
from joynet_sdk.fusion.vocabulary import Vocabulary
from joynet_sdk.mergeplans import (
    FLOATS,
    INDEX,
    Alignment,
    Checkpoint,
    Plan,
    Source,
    TensorInfo,
    TensorPlan,
    index_file,
    lay_out,
    plan_digest,
    tensor_seed,
)
from joynet_sdk.merges import Value

_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64"}
_WIDTH = ("F8_E5M2", "F8_E4M3", "F16", "BF16", "F32", "F64")


@dataclass
class Parent:
    """A parent, opened.

    Attributes:
        name: What the spec calls it.
        checkpoint: Its files.
    """

    name: str
    checkpoint: Checkpoint

    @cached_property
    def stacks(self) -> Stacks:
        """Its tensors by place."""
        return stacks_of(self.checkpoint.tensors)

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json, {} without one."""
        return read_config(self.checkpoint, self.name)

    @cached_property
    def vocabulary_size(self) -> int | None:
        """Rows of its embeddings, as its config says."""
        for config in (self.config, self.config.get("text_config")):
            found = config.get("vocab_size") if isinstance(config, dict) else None
            if isinstance(found, int):
                return found
        return None

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """Its tokenizer, or None without a tokenizer.json."""
        data = self.checkpoint.text(vocabulary.FILE)
        return None if data is None else vocabulary.read_vocabulary(data, self.name)

    def has_rows(self, tensor: str) -> bool:
        """Whether a tensor's first axis counts tokens."""
        info = self.checkpoint.tensors[tensor]
        return is_vocabulary(tensor, info, self.vocabulary_size)


def make_plan(spec: WeightsSpec, checkpoints: Mapping[str, Checkpoint]) -> Plan:
    """Plan a merge.

    Args:
        checkpoints: Of every model that the spec names.

    Raises:
        InvalidInputError: Parents that do not fit: names the tensor, the shapes and the parents.
    """
    parents = tuple(Parent(name, checkpoints[name]) for name in spec.references)
    return _Planner(spec, parents).plan()


@dataclass
class _Planner:
    spec: WeightsSpec
    parents: tuple[Parent, ...]
    notes: list[str] = field(default_factory=list)
    alignments: dict[tuple[int, ...], Alignment] = field(default_factory=dict)

    def plan(self) -> Plan:
        stacks = {parent.name: parent.stacks for parent in self.parents}
        sections = outline(self.spec, stacks)
        tensors = tuple(self._tensors(sections))
        if not tensors:
            raise InvalidInputError("the parents share no tensor: nothing to merge")
        shards = lay_out(tensors, self.spec.shard_bytes)
        files = self._files(sections, tensors)
        if len(shards) > 1:
            files[INDEX] = index_file(tensors, shards)
        plan = Plan(
            parents=tuple(parent.name for parent in self.parents),
            tensors=tensors,
            shards=shards,
            files=files,
            notes=(*self.spec.notes, *dict.fromkeys(self.notes)),
        )
        prints = tuple(parent.checkpoint.fingerprint for parent in self.parents)
        return replace(plan, digest=plan_digest(plan, prints))

    # --- tensors, in the order of the result ------------------------------------------------------

    def _tensors(self, sections: Sequence[Section]) -> Iterator[TensorPlan]:
        """Loose ones before the layers, the layers of each stack, loose ones after them."""
        by_stack: dict[str, list[Section]] = {}
        for section in sections:
            by_stack.setdefault(section.stack, []).append(section)
        loose = {
            name
            for section in sections
            for part in section.parts
            for name in self.parents[part.parent].stacks.loose
        }
        for name in sorted(one for one in loose if comes_before(one)):
            yield from self._loose(name, by_stack[_home(name, by_stack)][0])
        for run in by_stack.values():
            yield from self._layers(run)
        for name in sorted(one for one in loose if not comes_before(one)):
            yield from self._loose(name, by_stack[_home(name, by_stack)][-1])

    def _loose(self, name: str, section: Section) -> Iterator[TensorPlan]:
        names = [(part, name) for part in section.parts]
        if any(name in self._parent(part).checkpoint.tensors for part in section.parts):
            yield from self._tensor(name, names, section, 0.0)

    def _layers(self, run: Sequence[Section]) -> Iterator[TensorPlan]:
        number = 0
        for section in run:
            for step in range(section.length):
                rests: set[str] = set()
                for part in section.parts:
                    layers = self._parent(part).stacks.layers.get(section.stack, {})
                    rests |= set(layers.get(part.first + step, {}))
                for rest in sorted(rests):
                    names = [
                        (part, name_at(Place(section.stack, part.first + step, rest)))
                        for part in section.parts
                    ]
                    output = name_at(Place(section.stack, number, rest))
                    yield from self._tensor(output, names, section, section.gradient(step))
                number += 1

    def _parent(self, part: Part) -> Parent:
        return self.parents[part.parent]

    # --- one tensor -------------------------------------------------------------------------------

    def _tensor(
        self, name: str, names: Sequence[tuple[Part, str]], section: Section, at: float
    ) -> Iterator[TensorPlan]:
        method = merges.METHODS[self.spec.merge_method]
        sources: list[Source] = []
        base: Source | None = None
        for part, wanted in names:
            own = self._own_name(part, wanted)
            if own is None:
                continue
            values = {
                parameter.name: section.setting_of(part, parameter, wanted, at)
                for parameter in method.of_models
            }
            source = Source(part.parent, own, _given(values))
            if part.parent == section.base:
                base = source._replace(parameters={})
            else:
                sources.append(source)
        settings = _given(
            {parameter.name: section.setting(parameter, name, at) for parameter in method.of_tensor}
        )
        yield self._complete(name, method, sources, base, settings, names, section)

    def _own_name(self, part: Part, wanted: str) -> str | None:
        """The tensor of a parent; of tied embeddings the one that is stored."""
        tensors = self._parent(part).checkpoint.tensors
        return wanted if wanted in tensors else tied_to(wanted, tensors)

    def _complete(
        self,
        name: str,
        method: merges.Method,
        sources: list[Source],
        base: Source | None,
        settings: Mapping[str, Value],
        names: Sequence[tuple[Part, str]],
        section: Section,
    ) -> TensorPlan:
        """Decide what a tensor that some parents lack becomes, then check shapes and dtypes."""
        present = len(sources) + (base is not None)
        if present < len(names):
            absent = [
                self._parent(part).name for part, own in names if self._own_name(part, own) is None
            ]
            lone = [*sources, *([base] if base else [])]
            if present == 1:
                self.notes.append(f"{name} is only in {self.parents[lone[0].parent].name}: kept")
                return self._checked(
                    name, "passthrough", [lone[0]._replace(parameters={})], None, {}
                )
            lacks_base = section.base is not None and base is None and method.base == "required"
            if lacks_base or len(sources) < method.min_models:
                raise InvalidInputError(
                    f"tensor {name} is missing in {', '.join(absent)}, {method.name} needs it",
                    hint="joynet fuse check names every tensor that does not fit",
                )
            self.notes.append(f"{name} is missing in {', '.join(absent)}: merged from the others")
        return self._checked(name, method.name, sources, base, settings)

    def _checked(
        self,
        name: str,
        method: str,
        sources: Sequence[Source],
        base: Source | None,
        settings: Mapping[str, Value],
    ) -> TensorPlan:
        everything = [*([base] if base else []), *sources]
        infos = {source.parent: self._info(source) for source in everything}
        alignment = self._alignment(everything, infos)
        shapes = {index: info.shape for index, info in infos.items()}
        if alignment is not None:
            shapes = {index: (alignment.rows, *shape[1:]) for index, shape in shapes.items()}
        if len(set(shapes.values())) > 1:
            raise self._misfit(name, everything, infos)
        shape = next(iter(shapes.values()))
        info = TensorInfo(self._result_dtype(name, everything, infos), shape)
        need = info.size + sum(one.size for one in infos.values())
        if alignment is not None:
            need += sum(TensorInfo(one.dtype, shape).size for one in infos.values())
        return TensorPlan(
            name=name,
            info=info,
            method=method,
            sources=tuple(sources),
            base=base,
            settings=settings,
            seed=tensor_seed(self.spec.seed, name),
            need=need,
            alignment=alignment,
        )

    def _info(self, source: Source) -> TensorInfo:
        return self.parents[source.parent].checkpoint.tensors[source.name]

    def _misfit(
        self, name: str, sources: Sequence[Source], infos: Mapping[int, TensorInfo]
    ) -> InvalidInputError:
        told = ", ".join(
            f"{list(infos[source.parent].shape)} in {self.parents[source.parent].name}"
            for source in sources
        )
        is_rows = any(self.parents[one.parent].has_rows(one.name) for one in sources)
        hint = "joynet fuse check says what fits"
        if is_rows and len({info.shape[1:] for info in infos.values()}) == 1:
            hint = "the vocabularies differ: add  tokenizer: {source: union}  (or base) to the spec"
        return InvalidInputError(f"tensor {name} has shapes {told}, expected one", hint=hint)

    def _result_dtype(
        self, name: str, sources: Sequence[Source], infos: Mapping[int, TensorInfo]
    ) -> str:
        dtypes = {info.dtype for info in infos.values()}
        if not dtypes <= FLOATS:
            if len(dtypes) > 1:
                told = ", ".join(
                    f"{infos[one.parent].dtype} in {self.parents[one.parent].name}"
                    for one in sources
                )
                raise InvalidInputError(f"tensor {name} holds {told}, expected one dtype")
            return next(iter(dtypes))
        wanted = self.spec.out_dtype or self.spec.dtype
        return _DTYPES[wanted] if wanted else promoted(dtypes)

    # --- vocabulary and other files ---------------------------------------------------------------

    def _alignment(
        self, sources: Sequence[Source], infos: Mapping[int, TensorInfo]
    ) -> Alignment | None:
        """How the rows of a tensor move, when the spec sets a tokenizer and they are tokens."""
        wanted = self.spec.tokenizer
        if wanted is None or not all(
            self.parents[one.parent].has_rows(one.name) for one in sources
        ):
            return None
        key = tuple(sorted(infos))
        if key not in self.alignments:
            base = self._base_index
            self.alignments[key] = vocabulary.align(
                self.tokenizer,
                {index: self._vocabulary_of(index) for index in key},
                {index: infos[index].shape[0] for index in key},
                base if base in key and self.spec.base_model else None,
                wanted,
                [parent.name for parent in self.parents],
            )
        found = self.alignments[key]
        is_same = all(found.is_identity(index, infos[index].shape[0]) for index in key)
        return None if is_same else found

    @property
    def _base_index(self) -> int:
        """Of the model whose config and tokenizer the result takes: the base, or the first."""
        return 0

    def _vocabulary_of(self, index: int) -> Vocabulary:
        found = self.parents[index].vocabulary
        if found is None:
            found, base = self.parents[self._base_index].vocabulary, self.parents[self._base_index]
            if found is None:
                raise InvalidInputError(
                    f"{base.name} has no tokenizer.json, expected one",
                    hint="leave tokenizer out of the spec to keep the rows as they are",
                )
            self.notes.append(f"{self.parents[index].name} has no tokenizer.json: as {base.name}'s")
        return found

    @cached_property
    def tokenizer(self) -> Vocabulary:
        """The result's vocabulary."""
        wanted = self.spec.tokenizer or Tokenizer(source="base")
        names = [parent.name for parent in self.parents]
        start = names.index(wanted.source) if wanted.source in names else self._base_index
        held = [self._vocabulary_of(index) for index in range(len(self.parents))]
        rows = [
            parent.vocabulary_size or held[index].size for index, parent in enumerate(self.parents)
        ]
        return vocabulary.combine(held, start, rows, wanted)

    def _files(
        self, sections: Sequence[Section], tensors: Sequence[TensorPlan]
    ) -> dict[str, bytes]:
        wanted = self.spec.tokenizer
        names = [parent.name for parent in self.parents]
        donor = self.parents[self._base_index]
        speaker = donor
        if wanted is not None and wanted.source in names:
            speaker = self.parents[names.index(wanted.source)]
        made = None
        if wanted is not None:
            held = speaker.vocabulary
            made = self.tokenizer if held is None or self.tokenizer.ids != held.ids else None
        return result_files(
            self.spec,
            donor=donor,
            speaker=speaker,
            parents=self.parents,
            sections=sections,
            tensors=tensors,
            tokenizer=made,
            size=max((held.rows for held in self.alignments.values()), default=None),
        )


def promoted(dtypes: Iterable[str]) -> str:
    """The narrowest float that holds all: half precisions of two kinds meet in F32."""
    found = set(dtypes)
    if len(found) == 1:
        return found.pop()
    widest = max(found, key=_WIDTH.index)
    return widest if widest in ("F32", "F64") else "F32"


def _given(values: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if value is not None}


def _home(name: str, stacks: Iterable[str]) -> str:
    """The stack whose parent module a loose tensor shares the longest path with."""

    def shared(stack: str) -> int:
        parent = stack.rpartition(".")[0]
        return len(parent) if parent and name.startswith(parent + ".") else 0

    return max(stacks, key=shared)

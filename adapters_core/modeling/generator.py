"""The generator: the trained hypernetwork that folds a normalised state into low-rank pairs.

Per site (Generative Adapter, arXiv 2411.05877, row-vector convention):

    hn   = RMSNorm(h)                      keys = hn key^T      values = hn value^T
    S    = sum over tokens of keys^T values
    M    = polar(S)                        delta = scale * output M^T input,   scale = alpha / R2
    pair : A = U_r^T input,  B = scale * output V_r     (delta = B A, exact)

Parameters of all sites are stacked, so that one batched product serves all of them.

Shape letters: N sites, n sites of one target, D hidden size, I = d_in, O = d_out, K = R1, V = R2, R = rank.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from adapters_core.canonical import digest_of
from adapters_core.config import GeneratorConfig
from adapters_core.errors import MismatchError, NumericalError, UnsupportedModelError
from adapters_core.modeling.base_model import BaseModel, Site
from adapters_core.modeling.digests import digest_tensors
from adapters_core.modeling.finite import all_finite
from adapters_core.modeling.lora import Pair
from adapters_core.modeling.polar import PolarFactor, truncated_polar
from adapters_core.modeling.side_by_side import Mapper

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True)
class _Block:
    """Sites of one target that are folded together."""

    target: str
    rows: slice
    """Of the target's stacked tensors."""
    members: list[int]
    """Indices into the generator's sites."""


class Generator(nn.Module):
    """All trained tensors, stacked over sites."""

    def __init__(self, config: GeneratorConfig, base: BaseModel) -> None:
        """Allocate a generator for a base: ``output`` is 0, the rest Kaiming (std 1 / sqrt(3 fan_in)), norms 1.

        Raises:
            UnknownSiteError: a target is not in this base.
            UnsupportedModelError: a target has not the same shape in every layer.
        """
        super().__init__()
        self.config = config
        self.sites = base.sites(config.target_modules, config.layers)
        self.hidden_size = base.hidden_size
        self.base_digest = base.digest
        self.groups = _group_by_target(self.sites)
        self._frozen = False
        self._fused: dict[tuple[int, torch.dtype], Tensor] = {}
        self._triangle_cache: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}
        count, hidden = len(self.sites), base.hidden_size
        self.norm_ND = nn.Parameter(torch.ones(count, hidden))
        self.key_NKD = nn.Parameter(torch.empty(count, config.key_size, hidden))
        self.value_NVD = nn.Parameter(torch.empty(count, config.value_size, hidden))
        self.input_nKI = nn.ParameterDict()
        self.output_nOV = nn.ParameterDict()
        for target, members in self.groups.items():
            site = self.sites[members[0]]
            self.input_nKI[target] = nn.Parameter(torch.empty(len(members), config.key_size, site.d_in))
            self.output_nOV[target] = nn.Parameter(torch.zeros(len(members), site.d_out, config.value_size))
        self.reset(torch.Generator().manual_seed(0))

    @torch.no_grad()
    def reset(self, rng: torch.Generator) -> None:
        """Draw the initial weights from an explicit random source, so that the global one is left alone."""
        for tensor in (self.key_NKD, self.value_NVD, *self.input_nKI.values()):
            bound = 1.0 / math.sqrt(tensor.shape[-1])  # uniform(-b, b) has std b / sqrt(3)
            tensor.uniform_(-bound, bound, generator=rng)
        self.norm_ND.fill_(1.0)
        for tensor in self.output_nOV.values():
            tensor.zero_()
        self._forget()

    def keep_rank(self, rank: int) -> None:
        """Change r, how many directions of the state are kept: no trained tensor depends on it.

        Raises:
            ConfigError: it is below 1 or above min(R1, R2).
        """
        self.config = replace(self.config, rank=rank)

    @torch.no_grad()
    def rescale(self, gain_N: Float[Tensor, " n"]) -> None:
        """Multiply every site's delta by a factor: ``output`` takes it in, so nothing else has to know of it."""
        for target, members in self.groups.items():
            self.output_nOV[target].mul_(gain_N[members].to(self.output_nOV[target])[:, None, None])
        self._forget()

    def key_value_weight(self, layer: int, dtype: torch.dtype) -> Float[Tensor, "rows hidden"]:
        """The fused key and value projections of a layer's sites with the norm's weight folded in.

        Args:
            layer: of the base.
            dtype: to compute in; the folding itself is float32.

        Returns:
            (sites of the layer * (R1 + R2)) x D, site by site, keys before values.
        """
        if (layer, dtype) in self._fused:
            return self._fused[layer, dtype]
        members = self.members(layer)
        kv_nMD = torch.cat((self.key_NKD[members], self.value_NVD[members]), dim=1)
        weight_MD = (kv_nMD.float() * self.norm_ND[members].float()[:, None, :]).flatten(0, 1).to(dtype)
        if not weight_MD.requires_grad and self._frozen:
            self._fused[layer, dtype] = weight_MD
        return weight_MD

    def freeze(self) -> "Generator":
        """Stop training for good: no gradients, and what is derived from the weights is computed once and kept."""
        self.requires_grad_(requires_grad=False)
        self._frozen = True
        return self

    @torch.no_grad()
    def prepare(self, dtype: torch.dtype) -> None:
        """Compute now what a frozen generator keeps, so that no context waits for it.

        Args:
            dtype: of the base, in which keys and values are computed.
        """
        for layer in {site.layer for site in self.sites}:
            self.key_value_weight(layer, dtype)
        for block in self._blocks():
            self._triangles(block)

    def requires_grad_(self, requires_grad: bool = True) -> "Generator":  # noqa: FBT001, FBT002  # torch's signature
        """As torch's; turning gradients on ends what :meth:`freeze` began."""
        if requires_grad:
            self._frozen = False
            self._forget()
        super().requires_grad_(requires_grad)
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Generator":  # noqa: FBT001, FBT002
        self._forget()  # derived weights do not move to another device or dtype with the others
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _forget(self) -> None:
        """Drop all that was derived from the weights."""
        self._fused.clear()
        self._triangle_cache.clear()

    def members(self, layer: int) -> list[int]:
        """Indices into ``sites`` of a layer's sites."""
        return [index for index, site in enumerate(self.sites) if site.layer == layer]

    def pairs(self, state_NKV: Float[Tensor, "n k v"], each: Mapper = map) -> dict[str, Pair]:
        """The low-rank pair of every site, by module path (law 1: exact, of rank at most r).

        Args:
            state_NKV: the state.
            each: folds the sites of a CPU, one by one or side by side.

        Raises:
            NumericalError: the state or a trained tensor holds NaN or infinite values.
        """

        def fold(block: _Block) -> list[tuple[str, Pair]]:
            return self._fold(block, self._polar(block, state_NKV))

        return {path: pair for folded in each(fold, self._blocks()) for path, pair in folded}

    def pairs_and_spectra(
        self, state_NKV: Float[Tensor, "n k v"], each: Mapper = map
    ) -> tuple[dict[str, Pair], dict[str, Tensor]]:
        """The pairs, and the singular values of every site's delta (largest first, float64), by module path.

        Args:
            state_NKV: the state.
            each: as in :meth:`pairs`.

        Raises:
            NumericalError: as in :meth:`pairs`.
        """

        def fold(block: _Block) -> tuple[list[tuple[str, Pair]], list[tuple[str, Tensor]]]:
            factor = self._polar(block, state_NKV)
            return self._fold(block, factor), self._spectra(block, factor)

        pairs: dict[str, Pair] = {}
        spectra: dict[str, Tensor] = {}
        for folded, values in each(fold, self._blocks()):
            pairs.update(folded)
            spectra.update(values)
        return pairs, spectra

    def _blocks(self) -> "Iterator[_Block]":
        """Sites that are folded together: all of a target on a GPU, single ones on a CPU.

        A CPU gains nothing from batches, and would need room for the float64 factors of all sites at once.
        """
        together = self.key_NKD.device.type != "cpu"
        for target, members in self.groups.items():
            step = len(members) if together else 1
            for start in range(0, len(members), step):
                yield _Block(target=target, rows=slice(start, start + step), members=members[start : start + step])

    @torch.no_grad()
    def _polar(self, block: "_Block", state_NKV: Tensor) -> PolarFactor:
        return truncated_polar(state_NKV[block.members], rank=self.config.rank, tolerance=self.config.rank_tolerance)

    @torch.no_grad()
    def _fold(self, block: "_Block", factor: PolarFactor) -> list[tuple[str, Pair]]:
        """A = U_r^T input, B = scale * output V_r."""
        a_nRI = factor.u_KR.mT @ self.input_nKI[block.target][block.rows].float()
        b_nOR = (self.output_nOV[block.target][block.rows].float() @ factor.v_VR).mul_(self.config.scale)
        if not (all_finite(a_nRI) and all_finite(b_nOR)):
            raise NumericalError(f"the pairs of {block.target!r} must be finite: the generator's weights are damaged")
        return [
            (self.sites[index].path, Pair(a_RI=a_nRI[row], b_OR=b_nOR[row])) for row, index in enumerate(block.members)
        ]

    @torch.no_grad()
    def _spectra(self, block: "_Block", factor: PolarFactor) -> list[tuple[str, Tensor]]:
        """Singular values of the block's deltas.

        With ``output = Q_o R_o`` and ``input^T = Q_i R_i`` (once for a frozen generator) the delta
        ``scale * Q_o (R_o V U^T R_i^T) Q_i^T`` has the singular values of the small product in the brackets; they are
        the roots of the eigenvalues of its Gram matrix.
        """
        ro_nXV, ri_nXK = self._triangles(block)
        left_nXR = self.config.scale * (ro_nXV @ factor.v_VR.double())
        right_nXR = ri_nXK @ factor.u_KR.double()
        if left_nXR.shape[-1] < min(left_nXR.shape[-2], right_nXR.shape[-2]):
            left_nXR, right_nXR = (torch.linalg.qr(side, mode="r").R for side in (left_nXR, right_nXR))
        core_nXX = left_nXR @ right_nXR.mT
        squares_nX = torch.linalg.eigvalsh(core_nXX.mT @ core_nXX).flip(-1).clamp(min=0)
        return [(self.sites[index].path, squares_nX[row].sqrt()) for row, index in enumerate(block.members)]

    def _triangles(self, block: "_Block") -> tuple[Tensor, Tensor]:
        """R factors of ``output`` and of ``input^T`` of a block's sites, float64."""
        key = (block.target, block.rows.start)
        if key in self._triangle_cache:
            return self._triangle_cache[key]
        ro_nXV = torch.linalg.qr(self.output_nOV[block.target][block.rows].double(), mode="r").R
        ri_nXK = torch.linalg.qr(self.input_nKI[block.target][block.rows].double().mT, mode="r").R
        if self._frozen:
            self._triangle_cache[key] = (ro_nXV, ri_nXK)
        return ro_nXV, ri_nXK

    def named_site_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """The trained tensors under their stored names ``layers.<l>.<target>.<norm|key|value|input|output>``."""
        for target, members in self.groups.items():
            for row, index in enumerate(members):
                name = self.sites[index].name
                yield f"{name}.norm", self.norm_ND[index]
                yield f"{name}.key", self.key_NKD[index]
                yield f"{name}.value", self.value_NVD[index]
                yield f"{name}.input", self.input_nKI[target][row]
                yield f"{name}.output", self.output_nOV[target][row]

    @torch.no_grad()
    def load_site_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Fill the trained tensors from their stored names; nothing is changed if one does not fit.

        Raises:
            MismatchError: a name is missing or unknown, or a shape differs.
            NumericalError: a tensor holds NaN or infinite values.
        """
        wanted = dict(self.named_site_tensors())
        if missing := sorted(set(wanted) - set(tensors)):
            raise MismatchError(
                f"the generator must have {len(wanted)} tensors, {len(missing)} are missing: {missing[:3]}"
            )
        if unknown := sorted(set(tensors) - set(wanted)):
            raise MismatchError(f"tensors that this generator does not have: {unknown[:3]} ({len(unknown)} in all)")
        for name, target in wanted.items():
            if tensors[name].shape != target.shape:
                raise MismatchError(f"{name} must have shape {tuple(target.shape)}, got {tuple(tensors[name].shape)}")
            if not all_finite(tensors[name]):
                raise NumericalError(f"{name} must be finite, it holds NaN or infinite values")
        for name, target in wanted.items():
            target.copy_(tensors[name])
        self._forget()

    def digest(self) -> str:
        """Digest of the trained tensors as held now (dtype included), the configuration and the base they are for."""
        return self.digest_as(dict(self.named_site_tensors()))

    def digest_as(self, tensors: Mapping[str, Tensor]) -> str:
        """The digest this generator has with its tensors stored as given (in another dtype, say)."""
        return generator_digest(self.base_digest, self.config, tensors)


def on_layers(generator: Generator, base: BaseModel, layers: "Sequence[int]") -> Generator:
    """A generator with the sites of some of its layers, its tensors as they are.

    The pass over a context ends before the last of them: leaving the uppermost ones out makes generation quicker.

    Args:
        generator: what to take the sites from.
        base: what it is for.
        layers: which of its layers.

    Raises:
        ConfigError: no layer, or one twice.
        MismatchError: it has no sites in one of them.
    """
    held = {site.layer for site in generator.sites}
    if unknown := sorted(set(layers) - held):
        raise MismatchError(f"layers must be out of {sorted(held)}, those of the generator, got {unknown}")
    fewer = Generator(replace(generator.config, layers=tuple(layers)), base)
    names = {name for name, _ in fewer.named_site_tensors()}
    fewer.load_site_tensors({name: tensor for name, tensor in generator.named_site_tensors() if name in names})
    return fewer


def generator_digest(base_digest: str, config: GeneratorConfig, tensors: Mapping[str, Tensor]) -> str:
    """Digest of a generator's stored tensors, its configuration and the base it is for."""
    return digest_of(
        {"base": base_digest, "config": config.to_json(), "tensors": digest_tensors(sorted(tensors.items()))}
    )


def _group_by_target(sites: "Sequence[Site]") -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index, site in enumerate(sites):
        groups.setdefault(site.target, []).append(index)
    for target, members in groups.items():
        shapes = {(sites[i].d_out, sites[i].d_in) for i in members}
        if len(shapes) > 1:
            raise UnsupportedModelError(f"target {target!r} must have one shape in every layer, found {sorted(shapes)}")
    return groups

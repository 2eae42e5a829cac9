"""A start in closed form: the generator as an associative memory of the text, before any training.

From the activations of a few ten thousand tokens, centred, with a small ridge, per site (s the value shift; hn_t the
normalised layer input of token t, x_t the site's own input at token t):

    input, key   the leading canonical directions of (x_(t + s - 1), hn_t), scaled by the roots of their correlations:
                 a query resembles the keys of the places in the context that lead to the same next token
                 (canonical correlation analysis, Hotelling 1936)
    value        hn_t regressed on the output embedding of token t, at rank R2 (reduced-rank regression, Izenman 1975)
    output       the directions of that regression, so that what is found raises the logit of the token that followed

The state of a context is then a table from places to tokens and the polar factor its whitened look-up: a context-aware
nearest-neighbour language model (Khandelwal et al. 2020) with a fixed-size store. Training goes on from there. Against
the random start, which teaches nothing until the output has left zero, this one carries the text at step 0.

There are no biases in the generator, so directions are chosen orthogonal to the means, which carry nothing.

Shape letters: T tokens, D hidden, I = d_in, O = d_out, K = R1, V = R2, X any of them.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from adapters_core.data.batching import Ids
from adapters_core.errors import InputError
from adapters_core.modeling.base_model import BaseModel, Site
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.hooks import hooked_before

STRENGTH = 0.02
"""Norm of a site's change as a share of the residual stream's, for a query of mean length."""
_RIDGE = 0.02
"""Added to every variance, as a share of the mean one."""
_LEAST_TOKENS = 64


class _Moments:
    """Sums of products of two centred streams of vectors, float64."""

    def __init__(self, left: int, right: int) -> None:
        self.count = 0
        self.left_L, self.right_R = (torch.zeros(size, dtype=torch.float64) for size in (left, right))
        self.product_LR = torch.zeros(left, right, dtype=torch.float64)

    def add(self, left_TL: Tensor, right_TR: Tensor) -> None:
        self.count += len(left_TL)
        self.left_L += left_TL.sum(0).double().cpu()
        self.right_R += right_TR.sum(0).double().cpu()
        self.product_LR += (left_TL.mT @ right_TR).double().cpu()

    def covariance(self) -> Tensor:
        return self.product_LR / self.count - torch.outer(self.left_L, self.right_R) / self.count**2


@dataclass(kw_only=True, eq=False)
class _SiteMoments:
    """What is gathered of one site."""

    hidden: _Moments
    query: _Moments
    pair: _Moments
    """Hidden and query."""
    token: _Moments
    """Hidden and embedding of the same token."""
    norm: float = 0.0
    """Sum of the norms of the residual stream."""


@torch.no_grad()
def initialise(base: BaseModel, generator: Generator, sequences: Iterable[Ids]) -> None:
    """Fill a generator's tensors from the base's activations on some text.

    Args:
        base: the frozen base.
        generator: changed in place.
        sequences: token ids of texts like those the generator is for, some ten thousand tokens together.

    Raises:
        InputError: they are too few to tell directions from noise.
    """
    tensors: dict[str, Tensor] = {}
    for site, found in _gather(base, generator, sequences).items():
        key_KD, input_KI = _matched(found, generator.config.key_size)
        value_VD, output_OV = _readout(found, generator.config.value_size)
        if output_OV.shape[0] != site.d_out:
            raise InputError(f"{site.path} must write to the residual stream ({base.hidden_size}), not {site.d_out}")
        # a query's amplitude is the product of input and output: shared so that both are trained at like pace
        shared = _spread(input_KI) * math.sqrt(3 * site.d_in)
        strength = STRENGTH * found.norm / found.hidden.count / generator.config.scale
        tensors |= {
            f"{site.name}.norm": torch.ones(base.hidden_size),
            f"{site.name}.key": key_KD / (_spread(key_KD) * math.sqrt(3 * base.hidden_size)),
            f"{site.name}.value": value_VD / (_spread(value_VD) * math.sqrt(3 * base.hidden_size)),
            f"{site.name}.input": input_KI / shared,
            f"{site.name}.output": output_OV * (shared * strength),
        }
    generator.load_site_tensors({name: tensor.float() for name, tensor in tensors.items()})


def _spread(tensor: Tensor) -> float:
    """Root mean square of the entries."""
    return float(tensor.square().mean().sqrt())


def _gather(base: BaseModel, generator: Generator, sequences: Iterable[Ids]) -> dict[Site, _SiteMoments]:
    hidden, shift = base.hidden_size, generator.config.value_shift
    embedding_WD = _unembeddings(base)
    moments = {
        site: _SiteMoments(
            hidden=_Moments(hidden, hidden),
            query=_Moments(site.d_in, site.d_in),
            pair=_Moments(hidden, site.d_in),
            token=_Moments(hidden, hidden),
        )
        for site in generator.sites
    }
    tokens = 0
    for ids in sequences:
        if len(ids) < 2:  # noqa: PLR2004  # nothing follows anything
            continue
        seen = _activations(base, generator.sites, ids)
        e_TD = embedding_WD[torch.tensor(ids, device=base.device)]
        for site in generator.sites:
            h_TD, x_TI = seen.layers[site.layer], seen.queries[site.path]
            hn_TD = h_TD / (h_TD.square().mean(-1, keepdim=True) + generator.config.norm_eps).sqrt()
            found = moments[site]
            # the first token is an attention sink and says nothing about the text
            found.hidden.add(hn_TD[1:], hn_TD[1:])
            found.query.add(x_TI[1:], x_TI[1:])
            found.token.add(hn_TD[1:], e_TD[1:])
            found.pair.add(hn_TD[2 - shift :], x_TI[1 : len(ids) - 1 + shift])
            found.norm += float(h_TD[1:].norm(dim=-1).sum())
        tokens += len(ids) - 1
    if tokens < _LEAST_TOKENS:
        raise InputError(f"the start needs at least {_LEAST_TOKENS} tokens of text, got {tokens}")
    return moments


@dataclass(kw_only=True, eq=False)
class _Seen:
    layers: dict[int, Tensor]
    queries: dict[str, Tensor]


def _activations(base: BaseModel, sites: Sequence[Site], ids: Ids) -> _Seen:
    """Float32 inputs of the layers and of the sites, T x D and T x I."""
    seen = _Seen(layers={}, queries={})

    def layer_hook(layer: int, _module: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
        seen.layers[layer] = (args[0] if args else kwargs["hidden_states"])[0].float()

    def site_hook(path: str, _module: nn.Module, args: tuple[Tensor, ...], _kwargs: dict[str, Tensor]) -> None:
        seen.queries[path] = args[0][0].float()

    hooks = {base.layers[layer]: partial(layer_hook, layer) for layer in {site.layer for site in sites}}
    hooks |= {base.module(site.path): partial(site_hook, site.path) for site in sites}
    with hooked_before(hooks):
        base.body(input_ids=torch.tensor([ids], device=base.device), use_cache=False)
    return seen


def _matched(found: _SiteMoments, size: int) -> tuple[Tensor, Tensor]:
    """Key (K x D) and input (K x I): the leading canonical directions, a query's mean length 1."""
    keep_DD, keep_II = _without(found.pair.left_L), _without(found.pair.right_R)
    white_DD = _inverse_root(keep_DD @ found.hidden.covariance() @ keep_DD)
    white_II = _inverse_root(keep_II @ found.query.covariance() @ keep_II)
    joint_DI = keep_DD @ found.pair.covariance() @ keep_II
    u_DX, correlation_X, vt_XI = torch.linalg.svd(white_DD @ joint_DI @ white_II, full_matrices=False)
    weight_K = correlation_X[:size].clamp(max=1.0).sqrt()
    key_KD = (white_DD @ (u_DX[:, :size] * weight_K)).mT
    input_KI = (white_II @ (vt_XI[:size].mT * weight_K)).mT
    return _widened(key_KD, size), _widened(input_KI / weight_K.norm(), size)


def _readout(found: _SiteMoments, size: int) -> tuple[Tensor, Tensor]:
    """Value (V x D) and output (D x V): the regression of a token's output embedding on hn, at rank V."""
    keep_DD = _without(found.hidden.left_L)
    covariance_DD = keep_DD @ found.hidden.covariance() @ keep_DD
    white_DD = _inverse_root(covariance_DD)
    coefficients_DD = white_DD @ white_DD @ keep_DD @ found.token.covariance()
    square_D, basis_DD = torch.linalg.eigh(coefficients_DD.mT @ covariance_DD @ coefficients_DD)
    directions_DV = basis_DD.flip(-1)[:, : min(size, len(square_D))]
    value_VD = (coefficients_DD @ directions_DV).mT
    return _widened(value_VD, size), _widened(directions_DV.mT, size).mT


def _unembeddings(base: BaseModel) -> Tensor:
    """Rows of the output embedding less their mean, of length 1: W x D, float32."""
    weight_WD: Tensor = base.model.get_output_embeddings().weight.float()
    return nn.functional.normalize(weight_WD - weight_WD.mean(0), dim=-1)


def _without(sum_X: Tensor) -> Tensor:
    """The projection that takes a direction away."""
    unit_X = nn.functional.normalize(sum_X, dim=0)
    return torch.eye(len(sum_X), dtype=sum_X.dtype) - torch.outer(unit_X, unit_X)


def _inverse_root(covariance_XX: Tensor) -> Tensor:
    value_X, vector_XX = torch.linalg.eigh(covariance_XX)
    root_XX: Tensor = (vector_XX * (value_X.clamp(min=0) + _RIDGE * value_X.mean()).rsqrt()) @ vector_XX.mT
    return root_XX


def _widened(rows_RX: Tensor, size: int) -> Tensor:
    """Rows of zeros below, where there are fewer directions than asked for."""
    return nn.functional.pad(rows_RX, (0, 0, 0, size - len(rows_RX)))

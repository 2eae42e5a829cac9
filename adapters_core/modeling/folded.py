"""The generated delta as it runs under training: applied through M, so that gradients reach the generator.

    y = W x + scale * output M^T (input x)

Numerically the pairs of :meth:`Generator.pairs` are the same function; M keeps the graph, the pairs do not.

Shape letters: B rows, T tokens, N sites, K = R1, V = R2.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import Float
from torch import Tensor, nn

from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.generator import Generator
from adapters_core.modeling.hooks import hooked_after
from adapters_core.modeling.polar import polar_matrix


def normalised(generator: Generator, states_BNKV: Float[Tensor, "b n k v"]) -> Float[Tensor, "b n k v"]:
    """M of every row and site, differentiable."""
    return polar_matrix(states_BNKV, rank=generator.config.rank, tolerance=generator.config.rank_tolerance)


@contextmanager
def folded(
    base: BaseModel,
    generator: Generator,
    matrix_BNKV: Float[Tensor, "b n k v"],
    *,
    gain_N: Float[Tensor, " n"] | None = None,
) -> Iterator[None]:
    """Run the base with row b adapted by the normalised state of row b; gradients flow to M, generator and gains.

    Args:
        base: the frozen base.
        generator: of this base.
        matrix_BNKV: M of every row and site.
        gain_N: factor on every site's delta; None: 1.
    """
    hooks = {
        base.module(generator.sites[index].path): _FoldedHook(
            generator.input_nKI[target][row],
            matrix_BNKV[:, index],
            generator.output_nOV[target][row] * (1.0 if gain_N is None else gain_N[index]),
            generator.config.scale,
        )
        for target, members in generator.groups.items()
        for row, index in enumerate(members)
    }
    with hooked_after(hooks):
        yield


class _FoldedHook:
    """Adds scale * output M^T input x to a site's output, row by row."""

    def __init__(self, input_KI: Tensor, matrix_BKV: Tensor, output_OV: Tensor, scale: float) -> None:
        self.input_KI = input_KI
        self.matrix_BKV = matrix_BKV
        self.output_OV = output_OV
        self.scale = scale

    def __call__(self, _module: nn.Module, args: tuple[Tensor, ...], y_BTO: Tensor) -> Tensor:
        dtype = y_BTO.dtype
        z_BTK = nn.functional.linear(args[0], self.input_KI.to(dtype))
        z_BTV = z_BTK @ self.matrix_BKV.to(dtype)
        return y_BTO + self.scale * nn.functional.linear(z_BTV, self.output_OV.to(dtype))

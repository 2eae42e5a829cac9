"""Training rows and their batches.

Every objective is the same row: chunks that make the adapter, a target sequence that is run under it, which of the
target's tokens count, and, for distillation, the sequence that the bare base (the teacher) sees instead, ending in
the same counted tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters_core.errors import InputError

if TYPE_CHECKING:
    import torch

Ids = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class TrainingRow:
    """One example of any objective."""

    objective: str
    """reconstruction, completion, question or unrelated."""
    chunks: tuple[Ids, ...]
    """Token ids of each chunk of the context."""
    prefix: Ids
    """Target tokens that are read and not predicted (at least one)."""
    answer: Ids
    """Target tokens that are predicted under the adapter."""
    teacher_prefix: Ids | None = None
    """What the bare base reads before the same answer; None: no teacher."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sequences:
    """Padded sequences: B rows of at most T tokens."""

    ids_BT: "torch.Tensor"
    mask_BT: "torch.Tensor"
    """1 for tokens, 0 for padding (on the right)."""
    predicts_BT: "torch.Tensor"
    """True where the next token is one to predict."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingBatch:
    """Rows of one objective, padded; every context has the same number of chunks, and is encoded once."""

    objective: str
    chunks_per_row: int
    context: Sequences
    """X * C rows for X distinct contexts, the chunks of context x at x * C .. x * C + C - 1."""
    context_of_row: tuple[int, ...]
    """For each of the B rows, its context 0..X - 1: questions on one document share it."""
    target: Sequences
    teacher: Sequences | None

    @property
    def tokens(self) -> int:
        """Tokens processed, padding not counted."""
        parts = [self.context, self.target, *([self.teacher] if self.teacher else [])]
        return sum(int(part.mask_BT.sum()) for part in parts)


def collate(rows: Sequence[TrainingRow], pad_id: int) -> TrainingBatch:
    """Pad rows into a batch.

    Raises:
        InputError: no rows, rows of different objectives or chunk counts, or an empty part.
    """
    if not rows:
        raise InputError("a batch needs at least one row, got none")
    if len({(row.objective, len(row.chunks), row.teacher_prefix is None) for row in rows}) != 1:
        raise InputError("rows of a batch must share objective, number of chunks and whether there is a teacher")
    if any(not row.prefix or not row.answer or not all(row.chunks) for row in rows):
        raise InputError("every row needs chunks, a prefix and an answer of at least one token each")
    contexts = list(dict.fromkeys(row.chunks for row in rows))
    teachers = [row.teacher_prefix + row.answer for row in rows if row.teacher_prefix is not None]
    return TrainingBatch(
        objective=rows[0].objective,
        chunks_per_row=len(rows[0].chunks),
        context=pad_sequences([chunk for chunks in contexts for chunk in chunks], None, pad_id),
        context_of_row=tuple(contexts.index(row.chunks) for row in rows),
        target=pad_sequences([row.prefix + row.answer for row in rows], [len(row.answer) for row in rows], pad_id),
        teacher=pad_sequences(teachers, [len(row.answer) for row in rows], pad_id) if teachers else None,
    )


def pad_sequences(sequences: Sequence[Ids], answers: Sequence[int] | None, pad_id: int) -> Sequences:
    """Pad token ids on the right.

    Args:
        sequences: token ids of each row, none empty.
        answers: how many tokens at the end of each row are predicted; None: none are.
        pad_id: the token that fills up.
    """
    import torch  # data modules import without torch

    width = max(len(ids) for ids in sequences)
    ids_BT = torch.full((len(sequences), width), pad_id, dtype=torch.long)
    mask_BT = torch.zeros(len(sequences), width, dtype=torch.long)
    predicts_BT = torch.zeros(len(sequences), width, dtype=torch.bool)
    for row, ids in enumerate(sequences):
        ids_BT[row, : len(ids)] = torch.tensor(ids)
        mask_BT[row, : len(ids)] = 1
        if answers is not None:
            predicts_BT[row, len(ids) - answers[row] - 1 : len(ids) - 1] = True
    return Sequences(ids_BT=ids_BT, mask_BT=mask_BT, predicts_BT=predicts_BT)

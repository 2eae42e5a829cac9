"""Settings of a training run: frozen, keyword-only, checked once."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

from adapters_core.errors import ConfigError

OBJECTIVES = ("reconstruction", "completion", "question", "unrelated")


@dataclass(frozen=True, kw_only=True)
class Objective:
    """How much of one objective is trained, and on what loss."""

    share: float
    """Share of the batches."""
    cross_entropy: float = 1.0
    """Weight of the cross-entropy of the target."""
    distillation: float = 0.0
    """Weight of KL(teacher || adapted); the teacher is the bare base that sees the context (or, for unrelated
    rows, sees the same prefix and nothing else)."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Everything a run needs besides the generator's configuration and the data."""

    objectives: Mapping[str, Objective] = field(
        default_factory=lambda: {
            "reconstruction": Objective(share=0.25),
            "completion": Objective(share=0.25),
            "question": Objective(share=0.4),
            "unrelated": Objective(share=0.1, cross_entropy=0.0, distillation=1.0),
        }
    )
    """Mixture by objective."""
    learning_rate: float = 1e-3
    """Peak of the schedule."""
    gain_learning_rate: float = 0.0
    """Peak rate of the gains, one factor for every site's delta (a learned scale per layer): a dozen numbers may move
    faster than a dozen matrices. What they learn is taken into ``output`` after each step; 0: none are learned."""
    warmup_steps: int = 20
    """Linear rise to the peak."""
    decay_share: float = 0.3
    """Last share of the run over which the rate falls linearly to a tenth of the peak."""
    weight_decay: float = 0.01
    """AdamW's decoupled weight decay."""
    gradient_clip: float = 1.0
    """Largest global gradient norm."""
    batch_rows: int = 8
    """Rows a micro-batch and process."""
    accumulation: int = 1
    """Micro-batches a step."""
    context_tokens: tuple[int, ...] = (64, 128, 256)
    """Chunk lengths drawn from, one a batch."""
    chunks_per_row: tuple[int, ...] = (1,)
    """Numbers of chunks drawn from, one a batch."""
    target_tokens: int = 128
    """Most target tokens of reconstruction and completion rows."""
    targets_per_context: int = 1
    """Pieces that are predicted under one adapter in reconstruction and unrelated rows: reading a context is most of a
    row's work. Above 1 a batch of these has half as many contexts as rows, as one of questions has."""
    questions_per_document: int = 4
    """Most questions asked of one document in a batch; a question batch has half as many documents as rows."""
    question_context_tokens: int = 512
    """Longest document that questions are asked of."""
    max_steps: int = 1000
    """Steps after which the run ends."""
    time_limit_s: float | None = None
    """Seconds after which the run ends, with a checkpoint; the schedule follows whichever limit is nearest."""
    token_limit: int | None = None
    """Tokens processed after which the run ends: the budget that runs are compared on."""
    checkpoint_every_s: float = 600.0
    """Seconds between checkpoints."""
    keep_checkpoints: int = 2
    """The newest ones that are kept: to go on from, or to be averaged."""
    validate_every: int = 100
    """Steps between validations."""
    validation_rows: int = 32
    """Rows of each objective that are validated."""
    start_tokens: int = 0
    """Tokens of text that a new generator is started from in closed form (adapters_core.training.initialisation); 0: it
    starts at random."""
    seed: int = 0
    """Source of every draw: row i of step n is the same on every machine."""
    dtype: str = "float32"
    """Data type of the base: float32 or bfloat16 (where the processor has it)."""

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            ConfigError: a field is out of its bounds.
        """
        if unknown := set(self.objectives) - set(OBJECTIVES):
            raise ConfigError(f"objectives must be of {OBJECTIVES}, got {sorted(unknown)}")
        if not any(o.share > 0 for o in self.objectives.values()):
            raise ConfigError("at least one objective must have a share above 0")
        if self.dtype not in ("float32", "bfloat16"):
            raise ConfigError(f"dtype must be float32 or bfloat16, got {self.dtype!r}")
        for name, objective in self.objectives.items():
            if not all(0 <= weight < math.inf for weight in asdict(objective).values()):
                raise ConfigError(f"share and weights of {name!r} must be finite and not negative, got {objective}")
        self._check_sizes()
        if not 0 <= self.decay_share <= 1:
            raise ConfigError(f"decay_share must lie in [0, 1], got {self.decay_share}")
        for name in ("weight_decay", "gain_learning_rate"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be finite and not negative, got {getattr(self, name)}")
        for name in ("learning_rate", "gradient_clip", "checkpoint_every_s", "time_limit_s", "token_limit"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"{name} must be positive and finite, got {value}")

    def _check_sizes(self) -> None:
        least = {
            **dict.fromkeys(("batch_rows", "accumulation", "max_steps", "validate_every", "validation_rows"), 1),
            "keep_checkpoints": 1,
            "warmup_steps": 0,
            "start_tokens": 0,
            "target_tokens": 2,  # one is read, the next predicted
            "targets_per_context": 1,
            "questions_per_document": 1,
            "question_context_tokens": 2,
        }
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ConfigError(f"{name} must be at least {bound}, got {getattr(self, name)}")
        for name, bound in (("context_tokens", 2), ("chunks_per_row", 1)):
            values = getattr(self, name)
            if not values or min(values) < bound:
                raise ConfigError(f"{name} must hold numbers of at least {bound}, got {values}")

    def rate_factor(self, step: int, progress: float) -> float:
        """Factor on the learning rate: warm-up, constant, linear fall to a tenth.

        Args:
            step: steps taken.
            progress: share of the run that is done, 0..1.
        """
        rise = min(1.0, (step + 1) / max(1, self.warmup_steps))
        left = max(0.0, 1.0 - progress)
        fall = 1.0 if left >= self.decay_share else 0.1 + 0.9 * left / self.decay_share
        return rise * fall

    def to_json(self) -> dict[str, object]:
        """As plain JSON data (tuples become lists)."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        listed = {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
        return listed | {"objectives": {name: asdict(objective) for name, objective in self.objectives.items()}}

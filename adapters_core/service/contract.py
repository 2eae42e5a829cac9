"""Requests and answers of the generation routes. The client reads the same models; nothing here needs torch."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of an adapter's identity: its name in the store."""


class Unicode(BaseModel):
    """A request whose text can be written as UTF-8, wherever in it."""

    @model_validator(mode="before")
    @classmethod
    def _valid_text(cls, data: object) -> object:
        _require_text(data)
        return data


class Body(Unicode):
    """A request: unknown fields are errors, for a misspelt one would be a silent wish."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """An answer: a newer service may say more than an older client knows."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class DocumentIn(Body):
    """A document, by its text or by a reference to a file beneath the service's context folder."""

    name: str | None = Field(default=None, max_length=500, description="distinct; a reference's file name by default")
    text: str | None = None
    reference: str | None = Field(default=None, max_length=1000, description="path beneath the context folder")

    @model_validator(mode="after")
    def _one_source(self) -> "DocumentIn":
        if (self.text is None) == (self.reference is None):
            raise ValueError("a document has either a text or a reference")
        if self.text is not None and not self.name:
            raise ValueError("a document with a text has a name")
        return self


class GenerateRequest(Body):
    """A context to make an adapter of."""

    documents: tuple[DocumentIn, ...] = Field(min_length=1, max_length=10_000)
    key: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="key of the chunk commitments; the same key gives the same digest, so a retry makes nothing new",
    )
    decay: float = Field(default=1.0, gt=0, le=1, description="factor on earlier chunks at each new one")


class ExtendRequest(Body):
    """Documents to add to an adapter."""

    adapter: Digest
    documents: tuple[DocumentIn, ...] = Field(min_length=1, max_length=10_000)


class EraseRequest(Body):
    """Chunks to take out of an adapter: by commitment, or all of a document."""

    adapter: Digest
    chunks: tuple[str, ...] = Field(default=(), description="commitments, or beginnings of at least 8 digits")
    documents: tuple[str, ...] = Field(default=(), description="names of documents whose chunks all go")

    @model_validator(mode="after")
    def _something(self) -> "EraseRequest":
        if not self.chunks and not self.documents:
            raise ValueError("name at least one chunk or document to erase")
        return self


class ChunkOut(Answer):
    """Where a chunk lies; nothing of its text."""

    commitment: str
    document: str
    index: int
    start: int
    end: int
    tokens: int


class AdapterAnswer(Answer):
    """An adapter that was made."""

    digest: Digest
    parent: Digest | None
    created: bool
    """Whether it is new in the store."""
    batched: bool
    """Whether other contexts were encoded in the same passes: the digest is then not reproducible to the last bit."""
    tokens: int
    chunks: tuple[ChunkOut, ...]
    manifest: dict[str, Any]
    files: dict[str, str]
    """Where its served files are, by name."""


class Progress(Answer):
    """Chunks encoded so far."""

    done: int
    total: int


class LoadRequest(Unicode):
    """vLLM's request; what else it may hold is not for us."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    lora_name: str
    lora_path: str
    load_inplace: Literal[False] = Field(default=False, description="never: an answer on its way would get neither")


class UnloadRequest(Unicode):
    """vLLM's request."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    lora_name: str
    lora_int_id: int | None = None


class ModelCard(Answer):
    """A model that can be asked."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "ringi"
    root: str
    """Where an adapter's files are; of the base, where it came from."""
    parent: str | None
    """The base, of an adapter."""
    digest: str
    """Of the adapter, or of the base."""
    max_model_len: int | None = None
    generator: str | None = None
    """Digest of the generator that makes adapters for the base; None on adapters."""


class ModelList(Answer):
    """All models that can be asked: the base first."""

    object: Literal["list"] = "list"
    data: tuple[ModelCard, ...]


def _require_text(data: object) -> None:
    """Refuse unpaired surrogates, which JSON can escape and no tokenizer takes."""
    if isinstance(data, str):
        try:
            data.encode()
        except UnicodeEncodeError:
            raise ValueError("text must be valid Unicode, got an unpaired surrogate") from None
    elif isinstance(data, dict):
        for name, value in data.items():
            _require_text(name)
            _require_text(value)
    elif isinstance(data, list | tuple):
        for value in data:
            _require_text(value)

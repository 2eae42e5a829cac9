"""Reading an adapter's folder past the gate."""

from pathlib import Path

from adapters_core.artifact import MANIFEST, WEIGHTS
from adapters_core.canonical import file_sha256
from adapters_core.errors import IntegrityError, UnsafeAdapterError
from adapters_core.export.gate import check_folder
from adapters_core.manifest import Manifest
from adapters_core.modeling.base_model import BaseModel
from adapters_core.modeling.lora import Pairs


def read_gated(folder: Path, base: BaseModel, *, foreign: bool = False) -> tuple[str, Pairs]:
    """The digest and the pairs of an adapter that passed the gate.

    Args:
        folder: where its files are.
        base: what it is to be served on.
        foreign: also take an adapter without a manifest; its digest is then that of its weights file.

    Raises:
        UnsafeAdapterError: it did not pass, with every reason found.
    """
    try:
        manifest = Manifest.read(folder / MANIFEST) if not foreign or (folder / MANIFEST).exists() else None
        digest = manifest.digest if manifest else file_sha256(folder / WEIGHTS)
    except (IntegrityError, OSError) as error:
        raise UnsafeAdapterError(f"the gate refuses the adapter: {error}") from error
    pairs = check_folder(
        folder,
        base,
        manifest_base_digest=manifest.identity.base.digest if manifest else None,
        weights_sha256=manifest.identity.weights_sha256 if manifest else digest,
    )
    return digest, pairs

"""Ed25519 keys in files, and statements signed with them: DSSE envelopes by securesystemslib.

The private key lies in a file of its own (mode 600) outside every database; the public key beside it as ``<name>.pub``.
Whoever verifies needs the public one only, and should have it from somewhere else than the database they verify.
"""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]  # the public names

from adapters_core.canonical import canonical_bytes
from adapters_core.errors import IntegrityError, StorageError
from adapters_core.storage import atomic_file

CHECKPOINT_TYPE = "application/vnd.ringi.checkpoint+json"
DECISION_TYPE = "application/vnd.ringi.decision+json"


@dataclass(frozen=True, kw_only=True)
class VerifyingKey:
    """A public key."""

    key: SSlibKey

    @property
    def key_id(self) -> str:
        """SHA-256 over the public key, 64 hexadecimal digits."""
        return str(self.key.keyid)

    def to_json(self) -> dict[str, Any]:
        """As the ``.pub`` file and evidence packs hold it."""
        return {"keyid": self.key_id, **self.key.to_dict()}


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A private key in memory."""

    signer: CryptoSigner

    @property
    def public(self) -> VerifyingKey:
        """What verifies its signatures."""
        return VerifyingKey(key=self.signer.public_key)

    def sign(self, statement: Mapping[str, Any], payload_type: str) -> dict[str, Any]:
        """A DSSE envelope (as JSON) over the canonical JSON of a statement."""
        envelope = Envelope(canonical_bytes(statement), payload_type, {})
        envelope.sign(self.signer)
        result: dict[str, Any] = envelope.to_dict()
        return result


def create_key(path: Path) -> SigningKey:
    """A new key pair in ``path`` (mode 600) and ``path``.pub.

    Raises:
        StorageError: the file exists already or cannot be written.
    """
    key = SigningKey(signer=CryptoSigner.generate_ed25519())
    write_secret(path, key.signer.private_bytes)
    with atomic_file(path.with_name(f"{path.name}.pub")) as staging:
        staging.write_bytes(canonical_bytes(key.public.to_json()) + b"\n")
    return key


def load_key(path: Path) -> SigningKey:
    """The private key in a file.

    Raises:
        StorageError: the file cannot be read, or others may read it.
        IntegrityError: it holds no Ed25519 key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(read_secret(path), None)
    except (ValueError, TypeError) as error:
        raise IntegrityError(f"{path} must hold an Ed25519 key in PEM form: {error}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise IntegrityError(f"{path} must hold an Ed25519 key, got {type(private).__name__}")
    return SigningKey(signer=CryptoSigner(private))


def load_public(path: Path) -> VerifyingKey:
    """The public key in a ``.pub`` file.

    Raises:
        StorageError: the file cannot be read.
        IntegrityError: it holds no public key.
    """
    try:
        stated = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path} must be readable: {error.strerror}") from error
    try:
        return public_from_json(json.loads(stated))
    except ValueError as error:
        raise IntegrityError(f"{path} must hold a public key as JSON: {error}") from error


def public_from_json(stated: Mapping[str, Any]) -> VerifyingKey:
    """A public key from its JSON form; its id is computed, not believed.

    Raises:
        IntegrityError: it is not the JSON of a public key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        named, raw = stated["keyid"], bytes.fromhex(stated["keyval"]["public"])
        computed: SSlibKey = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(raw))
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"this must be an Ed25519 public key, got {str(stated)[:80]}: {error}") from error
    if computed.keyid != named:
        raise IntegrityError(f"a public key must bear its own id {computed.keyid}, got {named}")
    return VerifyingKey(key=computed)


def opened(envelope: Mapping[str, Any], keys: Sequence[VerifyingKey], payload_type: str) -> dict[str, Any]:
    """The statement in an envelope, once one of the keys has verified its signature.

    Raises:
        IntegrityError: the envelope is malformed, of another type, or signed by none of the keys.
    """
    try:
        # from_dict writes into what it reads
        sealed = Envelope.from_dict({**envelope, "signatures": [dict(item) for item in envelope["signatures"]]})
        if sealed.payload_type != payload_type:
            raise IntegrityError(f"an envelope of type {payload_type} is needed, got {sealed.payload_type}")
        sealed.verify([key.key for key in keys], 1)
        statement: dict[str, Any] = json.loads(sealed.payload)
    except VerificationError as error:
        raise IntegrityError(f"no known key has signed this: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"this must be a signed envelope: {error}") from error
    return statement


def unverified(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """What an envelope says, whoever signed it: to name a finding, never to believe it.

    Raises:
        IntegrityError: the envelope is malformed.
    """
    try:
        statement: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"this must be an envelope: {error}") from error
    return statement


def write_secret(path: Path, secret: bytes) -> None:
    """A new file that its owner alone may read.

    Raises:
        StorageError: it exists already or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(handle)
    except FileExistsError as error:
        raise StorageError(f"{path} exists already: a key is never overwritten; name another file") from error
    except OSError as error:
        raise StorageError(f"{path} could not be written: {error.strerror}") from error


def read_secret(path: Path) -> bytes:
    """The bytes of a file that its owner alone may read.

    Raises:
        StorageError: it cannot be read, or others may read it.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise StorageError(f"{path} must be readable by its owner alone: chmod 600 {path}")
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"the key {path} must be readable: {error.strerror}") from error

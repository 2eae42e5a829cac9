"""What is left of an erased context in the files of the ledger's database is removed: tried until it holds."""

from adapters_core.ledger import scrubbing
from governance.worker.workplace import Workplace

TOPIC = "vault.scrub"


def scrub(at: Workplace) -> str:
    """Scrub the vault; answers what was done. Raises as :func:`scrubbing.scrub`, and is tried again."""
    scrubbing.scrub(at.ledger)
    return "scrubbed"

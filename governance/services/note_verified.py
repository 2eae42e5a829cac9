"""How far the ledger was verified without findings: from there a later verification goes on."""

from adapters_core.ledger.verification.findings import Report
from adapters_core.ledger.verification.verify import mark_verified
from governance.installation import installation


def note_verified(report: Report) -> None:
    """Note it; nothing where something was found, or nothing is signed yet.

    It is evidence of nothing, so it asks for no more than reading.
    """
    if report.ok and report.checkpoint is not None:
        with installation().ledger.write() as tx:
            mark_verified(tx, report)

"""Names of edits, for those that need no arithmetic."""

NOOP = "noop"  # name and digest of the edit that changes nothing

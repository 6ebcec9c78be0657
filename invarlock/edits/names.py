"""Names of edits, for those that need no arithmetic."""

NOOP = "noop"  # name and digest of the edit that changes nothing
CHECKPOINT = "checkpoint"  # of an edit that was done elsewhere: all that is known of it are its weights

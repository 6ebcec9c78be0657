"""Performance, measured: ratios against a bare or naive version in the same run."""

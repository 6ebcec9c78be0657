"""The error of an argument that the gate, the sweep or the bundle cannot use."""

from __future__ import annotations

from invarlock.errors import InvarlockError


class TauError(InvarlockError, ValueError):
    """A threshold, array, wrapper or bundle that cannot be used; a ValueError, as numeric callers expect."""

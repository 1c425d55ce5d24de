"""What can go wrong between the operator and the API server.

    ClusterError            the API server said no, or did not answer: tried again with back-off
    ├── Conflict            409: somebody else was first, or the object is newer than ours
    ├── Gone                404: not there (any more)
    ├── Invalid             400, 422: it will never be accepted as it is; trying again is no use
    ├── Forbidden           401, 403: rights are missing, or a quota is used up; never swallowed
    ├── FormerLeaderError   not even sent: another replica may lead by now
    └── JobRefusedError     a worker's Job can't be made; told on the resource

Raised by ``cluster``; ``reconcile`` lets them pass, the queue tries the key again.
"""

from __future__ import annotations


class ClusterError(Exception):
    """Base of the tree; the text is the API server's own message."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def may_pass(self) -> bool:
        """Whether the API server was not there, or not up to it: asking again later may help."""
        return self.status in (0, 429) or self.status >= 500


class Conflict(ClusterError):
    """The object exists already, or has changed since it was read."""


class Gone(ClusterError):
    """There is no such object."""


class Invalid(ClusterError):
    """The API server does not accept the object."""


class Forbidden(ClusterError):
    """The operator may not do that; its chart's RBAC is the place to look."""


class FormerLeaderError(ClusterError):
    """This replica can't be sure to lead any more, so it changes nothing."""


class JobRefusedError(ClusterError):
    """A worker's Job can't be made: never as it is (``is_final``), or not now."""

    def __init__(self, message: str, *, is_final: bool) -> None:
        super().__init__(message)
        self.is_final = is_final

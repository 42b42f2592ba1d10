"""The exceptions. Each kind of error in the Rust library has a class here, and a name that programs may compare."""

from __future__ import annotations


class Error(OSError):
    """An IPVS operation failed.

    `errno` is the kernel's error number, `kind` a short name of the cause that never changes, `operation` the method
    that failed (None for an argument that never came to one), `object` the service, destination or daemon that it was
    about. `line` is the line of a command that `Client.restore` ran.
    """

    kind: str = "error"
    operation: str | None = None
    object: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        """Return the message without the error number."""
        return super().__str__() if self.strerror is None else str(self.strerror)


class ServiceExists(Error, FileExistsError):
    """The service is there already (`EEXIST`)."""

    kind = "service_exists"


class NoSuchService(Error):
    """There is no such service (`ESRCH`)."""

    kind = "no_such_service"


class DestinationExists(Error, FileExistsError):
    """The destination is there already (`EEXIST`)."""

    kind = "destination_exists"


class NoSuchDestination(Error):
    """The service has no such destination (`ENOENT`)."""

    kind = "no_such_destination"


class NoSuchScheduler(Error):
    """The kernel has no such scheduler: its module is not loaded and cannot be (`ENOENT`)."""

    kind = "no_such_scheduler"


class NoSuchPersistenceEngine(Error):
    """The kernel has no such persistence engine: its module is not loaded and cannot be (`ENOENT`)."""

    kind = "no_such_persistence_engine"


class DaemonExists(Error, FileExistsError):
    """A synchronisation daemon with this role runs already (`EEXIST`)."""

    kind = "daemon_exists"


class NoSuchDaemon(Error):
    """No synchronisation daemon with this role runs (`ESRCH`)."""

    kind = "no_such_daemon"


class NoSuchInterface(Error):
    """There is no such network interface (`ENODEV`)."""

    kind = "no_such_interface"


class NoSuchSetting(Error):
    """The kernel has no such setting; older ones have fewer (`ENOENT`)."""

    kind = "no_such_setting"


class TunnelIgnored(Error):
    """The kernel, older than 5.3, made an IPIP tunnel of a GUE or GRE one (`EOPNOTSUPP`)."""

    kind = "tunnel_ignored"


class InvalidArgument(Error, ValueError):
    """An argument is out of range or does not go with another; nothing was sent (`EINVAL`).

    `field` is the argument's name.
    """

    kind = "invalid_argument"
    field: str = ""


class PermissionDenied(Error, PermissionError):
    """`CAP_NET_ADMIN` in the initial user namespace is missing (`EPERM`)."""

    kind = "permission_denied"


class Unavailable(Error):
    """The kernel has no IPVS (`ENOENT`)."""

    kind = "unavailable"


class TimedOut(Error, TimeoutError):
    """The kernel did not answer in time, or other threads used the client for all of it (`ETIMEDOUT`).

    The text says if a change was sent: it may have been done.
    """

    kind = "timed_out"


class KernelError(Error):
    """Any other refusal by the kernel."""

    kind = "kernel"


class NamespaceError(Error):
    """The network namespace is not there, or cannot be entered, for which `CAP_SYS_ADMIN` is needed."""

    kind = "namespace"


class DestinationRefused(Error):
    """The kernel took no such destination: its address, its family, or `lo` is down (`EINVAL`)."""

    kind = "destination_refused"


class DaemonRefused(Error):
    """The kernel started no such daemon: destinations of another family, or the multicast group (`EINVAL`)."""

    kind = "daemon_refused"


class TimeoutsRefused(Error):
    """The kernel took no such time: longer than it can count, which depends on its ticks a second (`EINVAL`)."""

    kind = "timeouts_refused"


class SettingDenied(Error, PermissionError):
    """The setting cannot be written (`EACCES` or `EROFS`)."""

    kind = "setting_denied"


class IoError(Error):
    """The socket, or a file of the kernel's, failed."""

    kind = "io"


class Malformed(Error):
    """An answer of the kernel could not be understood (`EBADMSG`)."""

    kind = "malformed"


class Locked(Error, BlockingIOError):
    """Another client, of this process or another, holds the lock of the network namespace (`EWOULDBLOCK`)."""

    kind = "locked"


class RuleError(InvalidArgument):
    """A line is no rule; nothing was sent. `line` and `column` say where, both from 1.

    `column` is None if it is the whole line, and `line` too if it is all of the rules.
    """

    column: int | None = None


_BY_KIND: dict[str, type[Error]] = {error.kind: error for error in Error.__subclasses__()}


def _error(kind: str, number: int | None, message: str, operation: str | None, about: str | None) -> Error:
    """Make the exception of this kind."""
    error = _BY_KIND.get(kind, Error)(number, message)
    error.kind = kind
    error.operation = operation
    error.object = about
    return error


def _invalid(number: int, message: str, field: str) -> InvalidArgument:
    """Make the exception for an argument that came to no operation yet."""
    error = InvalidArgument(number, message)
    error.field = field
    return error


def _rule_error(number: int, message: str, field: str, line: int | None, column: int | None) -> RuleError:
    """Make the exception for a line that is no rule."""
    error = RuleError(number, message)
    error.field = field
    error.line = line
    error.column = column
    return error


for _public in (Error, RuleError, *_BY_KIND.values()):
    _public.__module__ = "ipvs"

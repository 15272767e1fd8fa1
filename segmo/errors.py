"""The exceptions segmo raises on purpose.

    SegmoError                      anything segmo reports to its user
      InputError                    a file, folder or URL that cannot be used
        VideoError                  a video or image folder cannot be decoded
        DataError                   a data set, prediction or annotation folder is wrong
      SettingsError                 a setting or flag is out of range or contradicts another
      ProductError                  a value handed between stages breaks its type's contract
      WeightsError                  weights are missing, corrupt or cannot be fetched
      DeviceError                   the requested device or its memory is not there
        LoanError                   a GPU that is lent for a while was not given, or was taken back too soon
      CacheError                    the cache cannot be read, locked or written
      OutputError                   a result cannot be written

Every message says what happened, which value was seen, and ends in what to do about it. Catch them all with::

    try:
        ...
    except segmo.errors.SegmoError as error:
        print(error)
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


class SegmoError(Exception):
    """Base of everything segmo raises on purpose."""


class InputError(SegmoError):
    """A file, folder or URL given by the user cannot be used."""


class VideoError(InputError):
    """A video or image folder cannot be opened, decoded or is too short."""


class DataError(InputError):
    """A data set, prediction or annotation folder is incomplete or malformed."""


class SettingsError(SegmoError):
    """A setting or a flag is out of range or contradicts another."""


class ProductError(SegmoError, ValueError):
    """A value handed between stages breaks the contract of its type."""


class WeightsError(SegmoError):
    """Weights are missing, corrupt or cannot be fetched."""


class DeviceError(SegmoError):
    """The requested device is absent or lacks memory."""


class LoanError(DeviceError):
    """A GPU that is lent for a while was not given, or was taken back too soon."""


class CacheError(SegmoError):
    """The stage cache cannot be read, locked or written."""


class OutputError(SegmoError):
    """A result cannot be written."""


@contextmanager
def errors_named(stage: str) -> Iterator[None]:
    """Make every error tell in which stage it happened, as a SegmoError."""
    try:
        yield
    except SegmoError as error:
        raise type(error)(f"Stage {stage}: {error}") from error
    except MemoryError as error:
        raise DeviceError(f"Stage {stage}: this machine ran out of memory. Use a smaller maximum side or fewer frames.") from error
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's, which is not imported here
            advice = "Use the preset paper-fast, a smaller maximum side or fewer frames, or --device cpu."
            raise DeviceError(f"Stage {stage}: the GPU ran out of memory. {advice}") from error
        log.exception("Stage %s failed.", stage)
        what = f"Stage {stage} failed unexpectedly: {type(error).__name__}: {error}."
        raise SegmoError(f"{what} Try other settings, and report this as a bug with the clip and the command.") from error

"""Being told to stop: by Ctrl-C, or by the system, a scheduler or ``timeout`` with SIGTERM."""

from __future__ import annotations

import signal
import threading


def end_by_sigterm_as_by_ctrl_c() -> None:
    """Let SIGTERM raise ``KeyboardInterrupt`` from now on, so that whatever ends well after Ctrl-C does after it too.

    For the entry of a command; elsewhere than in the main thread it does nothing.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)

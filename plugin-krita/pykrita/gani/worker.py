# SPDX-License-Identifier: MIT OR Apache-2.0
"""The worker thread. Only the main thread may use Krita and widgets, so the two exchange requests and events."""
import threading
import traceback
from collections import deque

from . import library as L
from . import strings
from .qt import QThread, pyqtSignal
from .session import Session


class Worker(QThread):
    """Executes requests one after another with a Session.

    event(cancel_token, kind, values): cancel_token is the threading.Event of the request that caused the event; it is set
    if the request has been cancelled. Kinds: working (text, fraction or None), drafted (corners,),
    found (engine.Directions, engine.FaceSession or None), inverted (corners,), shown (RGB bytes or None,), not_shown (text,),
    rendered (patches, engine.FaceSession), failed (text,).
    """

    event = pyqtSignal(object, str, object)

    def __init__(self, picture):
        super().__init__()
        self.picture = picture
        self.cancel_token = threading.Event()
        self.requests = deque()
        self.available = threading.Condition()

    def request(self, kind, *values):
        """Queues a request: find (settings), invert (), show (edits, keep), render (settings, list of edits,
        keep, accept_draft), stop ().

        A new show request replaces queued ones. An inversion lets them pass ahead.
        """
        with self.available:
            if kind == "show":
                self.requests = deque(r for r in self.requests if r[1] != "show")
            self.requests.append((self.cancel_token, kind, values))
            self.available.notify()

    def cancel(self):
        """Cancels the running and all queued requests."""
        self.cancel_token.set()
        self.cancel_token = threading.Event()

    def stop(self):
        """Cancels everything and ends the thread. Returns at once; the signal `finished` reports the end."""
        self.cancel()
        self.request("stop")

    def run(self):
        session = Session(self.picture, None)
        while True:
            with self.available:
                while not self.requests:
                    self.available.wait()
                cancel_token, kind, values = self.requests.popleft()
            if kind == "stop":
                return
            if cancel_token.is_set():
                continue
            try:
                session.emit = lambda kind, *values, token=cancel_token: self.event.emit(token, kind, values)
                self.execute(session, cancel_token, kind, values)
            except L.Cancelled:
                pass
            except L.GaniError as error:
                self.event.emit(cancel_token, "failed", (str(error),))
            except Exception as error:  # without this event the dialog would wait forever
                traceback.print_exc()
                self.event.emit(cancel_token, "failed", (strings.INTERNAL_ERROR.format(error),))

    def execute(self, session, cancel_token, kind, values):
        cancelled = cancel_token.is_set
        if kind == "find":
            self.event.emit(cancel_token, "found", session.find(values[0], cancelled))
        elif kind == "invert":
            session.make_draft(cancelled)
            corners = session.invert(cancelled, lambda: self.show_queued(session, cancel_token))
            self.event.emit(cancel_token, "inverted", (corners,))
        elif kind == "show":
            self.show(session, cancel_token, values)
        elif kind == "render":
            self.event.emit(cancel_token, "rendered", session.render(*values, cancelled))

    def show_queued(self, session, cancel_token):
        """Executes the queued show request, if there is one."""
        with self.available:
            queued = next((r for r in self.requests if r[0] is cancel_token and r[1] == "show"), None)
            if queued:
                self.requests.remove(queued)
        if queued:
            self.show(session, cancel_token, queued[2])

    def show(self, session, cancel_token, values):
        """Emits shown, or not_shown with the reason: a wrong edit must not end the inversion."""
        try:
            self.event.emit(cancel_token, "shown", (session.show(*values),))
        except L.GaniError as error:
            self.event.emit(cancel_token, "not_shown", (str(error),))

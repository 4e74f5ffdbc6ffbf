# SPDX-License-Identifier: MIT OR Apache-2.0
"""The thread that computes, and the messages between it and the main thread, which alone may touch Krita and widgets."""
import threading
import traceback
from collections import deque

from . import library as L
from .qt import QThread, pyqtSignal
from .studio import Studio


class Worker(QThread):
    """Carries orders out, one after the other, with a Studio.

    news(ticket, kind, what): ticket is the threading.Event of the order, set where the order was abandoned meanwhile.
    Kinds: working (text, fraction or None), underway (RGB bytes, width, height), found (directions, corners or
    None), inverted (corners,), shown
    (RGB bytes,), rendered (patches,), failed (text,).
    """

    news = pyqtSignal(object, str, object)

    def __init__(self, picture):
        super().__init__()
        self.picture = picture
        self.ticket = threading.Event()
        self.orders = deque()
        self.some = threading.Condition()

    def order(self, kind, *what):
        """Gives an order: find (settings), invert (), show (edits), render (settings, edits of all), end ().

        Of several show orders that wait, the newest wins.
        """
        with self.some:
            if kind == "show":
                self.orders = deque(o for o in self.orders if o[1] != "show")
            self.orders.append((self.ticket, kind, what))
            self.some.notify()

    def abandon(self):
        """Stops what was ordered so far."""
        self.ticket.set()
        self.ticket = threading.Event()

    def end(self):
        """Stops everything; the thread ends soon, `finished` tells when."""
        self.abandon()
        self.order("end")

    def run(self):
        studio = Studio(self.picture, None)
        while True:
            with self.some:
                while not self.orders:
                    self.some.wait()
                ticket, kind, what = self.orders.popleft()
            if kind == "end":
                return
            if ticket.is_set():
                continue
            try:
                studio.tell = lambda kind, *what, ticket=ticket: self.news.emit(ticket, kind, what)
                self.carry_out(studio, ticket, kind, what)
            except L.Cancelled:
                pass
            except L.Failed as error:
                self.news.emit(ticket, "failed", (str(error),))
            except Exception as error:  # a thread that dies would leave the dialog waiting for ever
                traceback.print_exc()
                text = "gani's plug-in met an internal error ({}); nothing was changed. Please report what Krita's log says."
                self.news.emit(ticket, "failed", (text.format(error),))

    def carry_out(self, studio, ticket, kind, what):
        if kind == "find":
            self.news.emit(ticket, "found", studio.find(what[0], ticket.is_set))
        elif kind == "invert":
            self.news.emit(ticket, "inverted", (studio.invert(ticket.is_set),))
        elif kind == "show":
            self.news.emit(ticket, "shown", (studio.show(what[0]),))
        elif kind == "render":
            self.news.emit(ticket, "rendered", (studio.render(what[0], what[1], ticket.is_set),))

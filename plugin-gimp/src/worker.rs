//! The worker thread, seen from the main thread: sends requests, receives events.

use crate::engine::Engine;
use crate::error::{Error, Result, sentence};
use crate::host::{Call, LibGimp};
use crate::log;
use crate::messages::{Event, RenderRequest, Rendered, Request};
use crate::pixels::InputLayer;
use crate::queue::Queue;
use crate::settings::Settings;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use gani_core::edit::Edit;
use gani_core::face::Keep;
use gani_core::runtime::Cancel;
use std::cell::{Cell, RefCell};
use std::thread::JoinHandle;
use std::time::Duration;

/// The worker thread. Dropping this cancels its work and waits until it has closed its ONNX Runtime sessions, which must
/// not be in use while the process exits.
pub struct Worker {
    requests: Option<Sender<(Request, Cancel)>>,
    events: Receiver<Event>,
    cancel: RefCell<Cancel>,
    accepts_draft: Cell<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread.
    pub fn start(layer: InputLayer) -> Worker {
        let (requests, arriving) = unbounded::<(Request, Cancel)>();
        let (event_sender, events) = unbounded();
        let thread = std::thread::spawn(move || {
            let mut engine = Engine::new(layer, Queue::new(arriving), event_sender.clone());
            while let Some((request, cancel)) = engine.queue.next() {
                if let Err(error) = cancel.check().and_then(|()| engine.handle(request, &cancel)) {
                    // Sending fails after the main thread has dropped the receiver.
                    _ = event_sender.send(Event::Failed(error));
                }
            }
        });
        Worker {
            requests: Some(requests),
            events,
            cancel: RefCell::default(),
            accepts_draft: Cell::new(false),
            thread: Some(thread),
        }
    }

    /// Sends a request. The result arrives as an event.
    pub fn send(&self, request: Request) {
        if let Some(requests) = &self.requests {
            // Sending fails if the thread has panicked, which `try_recv` and `render` report.
            _ = requests.send((request, self.cancel.borrow().clone()));
        }
    }

    /// Cancels all requests sent so far.
    pub fn cancel(&self) {
        self.cancel.replace(Cancel::new()).cancel();
    }

    /// Whether [`Worker::render`] takes a draft if there is no inversion.
    pub fn accept_draft(&self, accept: bool) {
        self.accepts_draft.set(accept);
    }

    /// The next event, if one has arrived.
    ///
    /// # Errors
    /// The thread has panicked.
    pub fn try_recv(&self) -> Result<Option<Event>> {
        match self.events.recv_timeout(Duration::ZERO) {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Error::internal()),
        }
    }

    /// Renders patches under GIMP's progress bar, then shows the warnings that gani-core logged, unless a script calls.
    ///
    /// # Errors
    /// Those of [`gani_core::face_session`], or a panic of the thread.
    pub fn render(
        &self,
        call: &Call,
        settings: Settings,
        edits: Vec<Vec<Edit>>,
        keep: Keep,
    ) -> Result<Rendered> {
        let gimp = call.gimp;
        gimp.progress_init("gani");
        let accept_draft = self.accepts_draft.get();
        self.send(Request::Render(RenderRequest { settings, edits, keep, accept_draft }));
        let rendered = self.wait_for_render(gimp);
        gimp.progress_end();
        if call.interactive {
            log::take_warnings().iter().for_each(|warning| gimp.message(&sentence(warning)));
        }
        rendered
    }

    fn wait_for_render(&self, gimp: LibGimp) -> Result<Rendered> {
        const POLL_INTERVAL: Duration = Duration::from_millis(200);
        loop {
            match self.events.recv_timeout(POLL_INTERVAL) {
                Ok(Event::Progress { text, fraction }) => gimp.progress_update(&text, fraction),
                Ok(Event::Rendered(rendered)) => return Ok(rendered),
                // A request that the dialog cancelled earlier.
                Ok(Event::Failed(gani_core::Error::Cancelled)) if !self.cancel.borrow().is_cancelled() => {}
                Ok(Event::Failed(error)) => return Err(error.into()),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Error::internal()),
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.cancel();
        self.requests = None; // closes the queue, which ends the thread
        if let Some(thread) = self.thread.take() {
            _ = thread.join(); // `try_recv` and `render` report a panic
        }
    }
}

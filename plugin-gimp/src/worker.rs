//! The thread that computes, and the messages between it and the main thread, which alone may talk to GIMP.

use crate::host::Host;
use crate::host::picture::Picture;
use crate::log;
use crate::pixels::Rgba;
use crate::procedure::Stop;
use crate::settings::Settings;
use crate::studio::Studio;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use gani_core::Error;
use gani_core::edit::Edit;
use gani_core::runtime::Cancel;
use std::cell::RefCell;
use std::thread::JoinHandle;
use std::time::Duration;

/// Side of the pictures in dialogs.
pub const VIEW: usize = 384;

/// What is asked of the worker.
pub enum Order {
    /// Find the face, and look whether it has been inverted before.
    Find(Settings),
    /// Invert it.
    Invert,
    /// Show it with these edits.
    Show(Vec<Edit>),
    /// Make a patch of each of these edits, with all that it takes.
    Render(Settings, Vec<Vec<Edit>>),
}

/// What the worker tells.
pub enum News {
    /// What it is at, and how far, where that is known.
    Working(String, Option<f64>),
    /// The face as the picture has it, and whether it has been inverted before.
    Found(View, bool),
    /// The face on its way through inversion.
    Underway(View),
    /// The face is inverted.
    Inverted,
    /// The face with edits.
    Shown(View),
    /// Patches.
    Rendered(Rendered),
    /// An order failed.
    Failed(Error),
}

/// A picture for the dialog: [`VIEW`]² pixels, RGB.
pub struct View(pub Vec<u8>);

/// A part of the layer, before and after.
pub struct Patch {
    /// Its first column and row.
    pub at: [u32; 2],
    /// As it was.
    pub before: Rgba,
    /// With the face.
    pub after: Rgba,
    /// `after`, transparent outside of the face's square.
    pub layer: Rgba,
}

/// Patches, and whether the inversion had been made before.
pub struct Rendered {
    /// One for each list of edits.
    pub patches: Vec<Patch>,
    /// Whether the inversion came from the cache.
    pub from_cache: bool,
}

/// The worker's end that the main thread holds. Dropping it stops the work, and waits until the thread has let go of its sessions:
/// ONNX Runtime must not be used while the process exits.
pub struct Worker {
    orders: Option<Sender<(Order, Cancel)>>,
    news: Receiver<News>,
    cancel: RefCell<Cancel>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread.
    pub fn start(picture: Picture) -> Worker {
        let (orders, todo) = unbounded::<(Order, Cancel)>();
        let (tell, news) = unbounded();
        let thread = std::thread::spawn(move || {
            let mut studio = Studio::new(picture, tell.clone());
            for (order, cancel) in todo {
                if let Err(error) = cancel.check().and_then(|()| studio.carry_out(order, &cancel)) {
                    // The main thread may be gone, which is as good as cancelling.
                    _ = tell.send(News::Failed(error));
                }
            }
        });
        Worker { orders: Some(orders), news, cancel: RefCell::default(), thread: Some(thread) }
    }

    /// Gives an order; the answer comes as news.
    pub fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // A worker that has died is noticed where its news are read.
            _ = orders.send((order, self.cancel.borrow().clone()));
        }
    }

    /// Stops what was ordered so far.
    pub fn abandon(&self) {
        self.cancel.replace(Cancel::new()).cancel();
    }

    /// News, if there are any.
    ///
    /// # Errors
    /// The worker has died.
    pub fn news(&self) -> Result<Option<News>, Stop> {
        match self.news.recv_timeout(Duration::ZERO) {
            Ok(news) => Ok(Some(news)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(died()),
        }
    }

    /// Renders, with GIMP's own progress bar, and shows what the core warned of.
    ///
    /// # Errors
    /// As [`gani_core::retouch`]; nothing was changed.
    pub fn render(&self, host: Host, settings: Settings, edits: Vec<Vec<Edit>>) -> Result<Rendered, Stop> {
        host.progress_begin("gani");
        self.order(Order::Render(settings, edits));
        let rendered = loop {
            // The bar has to move while nothing is heard, or GIMP looks dead.
            match self.news.recv_timeout(Duration::from_millis(200)) {
                Ok(News::Working(text, fraction)) => host.progress(&text, fraction),
                Ok(News::Rendered(rendered)) => break Ok(rendered),
                // An order of the dialog's may have been abandoned before.
                Ok(News::Failed(Error::Cancelled)) if !self.cancel.borrow().is_cancelled() => {}
                Ok(News::Failed(error)) => break Err(error.into()),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break Err(died()),
            }
        };
        host.progress_end();
        log::take_warnings().iter().for_each(|warning| host.message(&crate::procedure::sentence(warning)));
        rendered
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.abandon();
        self.orders = None; // the thread ends where there are no more
        if let Some(thread) = self.thread.take() {
            _ = thread.join(); // its panic was told by `news`
        }
    }
}

fn died() -> Stop {
    Stop::Failed(
        "gani's plug-in met an internal error; nothing was changed. Please report what its log says.".into(),
    )
}

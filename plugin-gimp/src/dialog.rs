//! The dialog: a preview of the face on the left, sliders and options on the right.
//!
//! GIMP's own procedure dialog provides the rows, remembers their values and resets them.

mod layout;
mod looks;
mod panel;
mod toolkit;
mod widgets;

pub use layout::Layout;

use crate::error::{Error, Result};
use crate::host::Call;
use crate::worker::Worker;
use panel::Panel;
use toolkit::Toolkit;
use widgets::Widgets;

/// Starts the worker. An interactive call shows the dialog, which has already found the face when it returns.
///
/// # Errors
/// [`Error::Cancelled`] if the user closes the dialog.
pub fn start_worker(call: &Call, layout: impl FnOnce() -> Layout) -> Result<Worker> {
    if call.interactive { show(call, &layout()) } else { Ok(Worker::start(call.read_layer()?)) }
}

/// Shows the dialog until the user confirms it.
fn show(call: &Call, layout: &Layout) -> Result<Worker> {
    let toolkit = Toolkit::open(call.gimp, call.config).map_err(Error::Failed)?;
    let worker = Worker::start(call.read_layer()?);
    let widgets = Widgets::build(&toolkit, call, layout)
        .ok_or_else(|| Error::Failed("GTK could not create the dialog.".into()))?;
    let panel = Panel::new(call, layout, &toolkit, &widgets, &worker);
    let confirmed = widgets.run(&toolkit, &panel);
    worker.accept_draft(panel.accepts_draft());
    if confirmed { Ok(worker) } else { Err(Error::Cancelled) }
}

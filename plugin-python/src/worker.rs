//! Runs work on a thread of its own. The calling thread calls the progress function, and checks for Ctrl-C between.

use crate::errors::exception;
use crate::records::Progress;
use crossbeam_channel::{RecvTimeoutError, bounded};
use gani_core::Cancel;
use gani_core::invert::{self, Stage};
use gani_core::photo::image_from_crop;
use image::RgbImage;
use pyo3::prelude::*;
use std::time::Duration;

/// Time between two checks for Ctrl-C.
const INTERVAL: Duration = Duration::from_millis(50);

/// A progress event that crosses threads.
pub enum Event {
    /// A stage begins.
    Begin(Stage),
    /// A step is done.
    Step { stage: Stage, step: usize, steps: usize, loss: f32, seconds_left: Option<f64> },
    /// A preview image.
    Preview(RgbImage),
}

impl Event {
    fn new(event: invert::Progress<'_>) -> Option<Event> {
        match event {
            invert::Progress::Begin(stage) => Some(Event::Begin(stage)),
            invert::Progress::Step { stage, step, steps, loss, remaining } => Some(Event::Step {
                stage,
                step,
                steps,
                loss,
                seconds_left: remaining.map(|t| t.as_secs_f64()),
            }),
            invert::Progress::Preview(image) => Some(Event::Preview(image_from_crop(image))),
            // Each step has the time that is left.
            invert::Progress::Eta(_) => None,
        }
    }
}

/// [`run_with_progress`] for work without progress events.
pub fn run<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&Cancel) -> gani_core::Result<T> + Send,
) -> PyResult<T> {
    run_with_progress(py, None, |cancel, _| work(cancel))
}

/// Runs `work` without Python's lock. It waits for `callback` after each event. The work is cancelled by Ctrl-C, and by a callback that
/// raises an exception or returns False; an exception reaches the caller.
pub fn run_with_progress<T: Send>(
    py: Python<'_>,
    callback: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Cancel, &mut dyn FnMut(invert::Progress<'_>)) -> gani_core::Result<T> + Send,
) -> PyResult<T> {
    crate::logs::forward();
    let cancel = Cancel::new();
    let (event_to_caller, events) = bounded(0);
    let (done, is_done) = bounded(0);
    let listens = callback.is_some();
    std::thread::scope(|scope| {
        let in_work = cancel.clone();
        let worker = scope.spawn(move || {
            let mut report = |event: invert::Progress<'_>| {
                if listens
                    && !in_work.is_cancelled()
                    && let Some(event) = Event::new(event)
                    && event_to_caller.send(event).is_ok()
                {
                    let _ = is_done.recv(); // an error: the caller has panicked
                }
            };
            work(&in_work, &mut report)
            // The channel closes here, which ends the loop below.
        });
        let mut raised = None;
        let mut stage = Stage::Find;
        loop {
            let answer = match py.detach(|| events.recv_timeout(INTERVAL)) {
                Ok(event) => {
                    let answer = callback.map_or(Ok(true), |callback| call(callback, event, &mut stage));
                    let _ = done.send(());
                    answer
                }
                Err(RecvTimeoutError::Timeout) => Ok(true),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let answer = answer.and_then(|goes_on| py.check_signals().map(|()| goes_on));
            if !matches!(answer, Ok(true)) {
                cancel.cancel();
            }
            raised = raised.or(answer.err());
        }
        let result = py.detach(|| worker.join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match raised {
            Some(error) => Err(error),
            None => result.map_err(exception),
        }
    })
}

/// Calls the progress function. Returns whether the work goes on.
fn call(callback: &Bound<'_, PyAny>, event: Event, stage: &mut Stage) -> PyResult<bool> {
    let answer = callback.call1((Progress::new(callback.py(), event, stage),))?;
    Ok(!answer.extract::<bool>().is_ok_and(|goes_on| !goes_on))
}

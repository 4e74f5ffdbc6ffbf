//! Values that Python reads: metrics, directions, progress events.

use crate::convert::array;
use crate::worker::Event;
use gani_core::invert::Stage;
use numpy::PyArray3;
use pyo3::prelude::*;

/// How similar two images are, at 256 x 256 pixels.
#[pyclass(frozen, get_all, module = "gani")]
pub struct Metrics {
    /// Mean squared error of values in [-1, 1]; 0 for identical images.
    mse: f64,
    /// LPIPS distance; 0 for identical images. None if the model has no LPIPS network.
    lpips: Option<f64>,
    /// MS-SSIM; 1 for identical images. None if it is undefined, because the images are too dissimilar.
    ms_ssim: Option<f64>,
    /// Cosine similarity of identity features; 1 for identical faces. None if an image shows no face.
    id: Option<f64>,
}

impl From<gani_core::metrics::Metrics> for Metrics {
    fn from(metrics: gani_core::metrics::Metrics) -> Metrics {
        let gani_core::metrics::Metrics { mse, lpips, ms_ssim, id } = metrics;
        Metrics { mse, lpips, ms_ssim, id }
    }
}

#[pymethods]
impl Metrics {
    fn __repr__(&self) -> String {
        let Metrics { mse, lpips, ms_ssim, id } = *self;
        format!("<gani.Metrics {}>", gani_core::metrics::Metrics { mse, lpips, ms_ssim, id })
    }
}

/// A direction of edits.
#[pyclass(frozen, get_all, module = "gani")]
pub struct Direction {
    /// The name, for edits.
    name: String,
    /// The unit of a strength: "deg" (degrees) or "sigma" (standard deviations).
    unit: &'static str,
    /// Smallest and largest useful strength. Others are allowed, but faces degrade.
    range: (f32, f32),
    /// Whether it has a meaning, such as "smile". The others are principal components, "pca.0" and so on.
    named: bool,
    /// Standard deviation of w along the direction.
    sigma: f32,
}

impl Direction {
    /// A direction of a model.
    pub fn new(direction: &gani_core::edit::Direction, named: bool) -> Direction {
        let [low, high] = direction.info.range;
        Direction {
            name: direction.name.clone(),
            unit: direction.info.unit.name(),
            range: (low, high),
            named,
            sigma: direction.sigma,
        }
    }
}

#[pymethods]
impl Direction {
    fn __repr__(&self) -> String {
        let Direction { name, unit, range: (low, high), .. } = self;
        format!("<gani.Direction {name}, {low} to {high} {unit}>")
    }
}

/// A progress event of an inversion.
#[pyclass(frozen, get_all, module = "gani")]
pub struct Progress {
    /// The stage: "find", "prepare", "refine", "tune" or "finish".
    stage: &'static str,
    /// The stage in words, such as "tuning the generator".
    label: &'static str,
    /// The step that is done, from 1; 0 at the begin of a stage and for a preview.
    step: usize,
    /// Number of steps in this stage; 0 at its begin and for a preview.
    steps: usize,
    /// Loss of the step, or None.
    loss: Option<f32>,
    /// Estimated seconds until the end, or None as long as it is not known.
    seconds_left: Option<f64>,
    /// The current reconstruction [R, R, 3] of uint8, or None.
    preview: Option<Py<PyArray3<u8>>>,
}

impl Progress {
    /// The event. `current` is the stage of the last event, and becomes that of this event.
    pub fn new(py: Python<'_>, event: Event, current: &mut Stage) -> Progress {
        let (mut progress_step, mut progress_loss, mut left, mut preview) = ((0, 0), None, None, None);
        match event {
            Event::Begin(stage) => *current = stage,
            Event::Step { stage, step, steps, loss, seconds_left } => {
                *current = stage;
                (progress_step, progress_loss, left) = ((step, steps), Some(loss), seconds_left);
            }
            Event::Preview(image) => preview = Some(array(py, image).unbind()),
        }
        let stage = match current {
            Stage::Find => "find",
            Stage::Prepare => "prepare",
            Stage::Refine => "refine",
            Stage::Tune => "tune",
            Stage::Finish => "finish",
        };
        let (step, steps) = progress_step;
        Progress {
            stage,
            label: current.label(),
            step,
            steps,
            loss: progress_loss,
            seconds_left: left,
            preview,
        }
    }
}

#[pymethods]
impl Progress {
    fn __repr__(&self) -> String {
        format!("<gani.Progress {}, step {} of {}>", self.stage, self.step, self.steps)
    }
}

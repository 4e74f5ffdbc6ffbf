//! Progress events of an inversion.

use ndarray::ArrayView4;
use std::time::Duration;

/// A stage of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Finding the face.
    Find,
    /// Loading the networks and encoding the photo.
    Prepare,
    /// Refining the latent.
    Refine,
    /// Tuning the generator's weights.
    Tune,
    /// Measuring the result.
    Finish,
}

impl Stage {
    /// The label for display. It completes the text "Inverting the face: …".
    pub const fn label(self) -> &'static str {
        match self {
            Stage::Find => "finding the face",
            Stage::Prepare => "loading the networks",
            Stage::Refine => "optimizing the latent",
            Stage::Tune => "tuning the generator",
            Stage::Finish => "measuring the result",
        }
    }
}

/// A progress event.
#[derive(Clone, Debug)]
pub enum Progress<'i> {
    /// A stage begins.
    Begin(Stage),
    /// Estimated time until the end of the last stage, reported once, after the first measured steps.
    Eta(Duration),
    /// A step is done.
    Step {
        /// Its stage.
        stage: Stage,
        /// Its number, from 1.
        step: usize,
        /// Number of steps in this stage.
        steps: usize,
        /// Its loss.
        loss: f32,
        /// Time left until the last step of the last stage; known from the second step of a stage on.
        remaining: Option<Duration>,
    },
    /// The current reconstruction, `[1,3,R,R]` in `[-1,1]`: the encoder's estimate, then (methods `gani` and `direct`) one every
    /// [`InvertOptions::preview_interval`](super::InvertOptions::preview_interval) tuning steps.
    Preview(ArrayView4<'i, f32>),
}

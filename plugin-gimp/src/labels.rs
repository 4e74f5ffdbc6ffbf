//! Labels, tooltips and the range of the sliders, and labels of the stages of an inversion. None of them depend on GIMP.

use gani_core::invert::Stage;
use std::ops::RangeInclusive;

/// The slider of an editing direction.
pub struct Slider {
    /// The direction's name in the face bundles.
    pub direction: &'static str,
    /// Its label.
    pub label: &'static str,
    /// Its tooltip.
    pub help: &'static str,
}

/// The range of every slider, in standard deviations of the model's faces. The default is 0.
pub const STRENGTHS: RangeInclusive<f32> = -3.0..=3.0;

/// The sliders, in the order of the dialog: one for each named direction of the face bundles.
pub const SLIDERS: [Slider; 7] = [
    Slider {
        direction: "smile",
        label: "Smile",
        help: "Right: more smile. Left: more serious. In standard deviations of the model's faces",
    },
    Slider { direction: "age", label: "Age", help: "Right: older. Left: younger" },
    Slider { direction: "yaw", label: "Turn", help: "Turns the head to the side" },
    Slider { direction: "pitch", label: "Nod", help: "Raises or lowers the head" },
    Slider { direction: "mouth_open", label: "Mouth open", help: "Right: opens the mouth. Left: closes it" },
    Slider { direction: "eyes_open", label: "Eyes open", help: "Right: opens the eyes. Left: closes them" },
    Slider { direction: "gender", label: "Gender", help: "More feminine or more masculine" },
];

/// A stage of an inversion, as it follows "Inverting the face:".
pub fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Find => "finding the face",
        Stage::Prepare => "loading the networks",
        Stage::Refine => "optimizing the latent",
        Stage::Tune => "tuning the generator",
        Stage::Finish => "measuring the result",
    }
}

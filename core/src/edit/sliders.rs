//! Labels, tooltips and the range of the edit sliders: the same in every host. The GIMP plug-in reads them here, the Krita plug-in
//! through the C ABI.

use std::borrow::Cow;
use std::ops::RangeInclusive;

/// The slider of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slider {
    /// Name of the direction in the face bundles, such as `mouth_open`.
    pub direction: &'static str,
    /// Label for display, without mnemonic.
    pub label: &'static str,
    /// Tooltip.
    pub help: &'static str,
}

/// The useful range of strengths, in standard deviations σ of the model's latents. 0 leaves the face unchanged.
pub const STRENGTHS: RangeInclusive<f32> = -3.0..=3.0;

/// The sliders in display order: one for each semantic direction of the face bundles.
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

/// Tooltip of directions that are not in [`SLIDERS`].
const DEFAULT_HELP: &str = "In standard deviations of the model's latents";

/// The label of a direction. For a direction that is not in [`SLIDERS`]: its name, capitalized and with spaces for
/// underscores, so `hair_color` gives "Hair color".
pub fn label(direction: &str) -> Cow<'static, str> {
    match slider(direction) {
        Some(slider) => slider.label.into(),
        None => {
            let words = direction.replace('_', " ");
            let mut letters = words.chars();
            let first = letters.next().into_iter().flat_map(char::to_uppercase);
            first.chain(letters.as_str().chars()).collect::<String>().into()
        }
    }
}

/// The tooltip of a direction.
pub fn help(direction: &str) -> &'static str {
    slider(direction).map_or(DEFAULT_HELP, |slider| slider.help)
}

/// Position of a direction in the display order; directions that are not in [`SLIDERS`] come last. Sort key for a stable
/// sort.
pub fn position(direction: &str) -> usize {
    SLIDERS.iter().position(|slider| slider.direction == direction).unwrap_or(SLIDERS.len())
}

fn slider(direction: &str) -> Option<&'static Slider> {
    SLIDERS.iter().find(|slider| slider.direction == direction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_directions_have_labels_and_others_are_named_by_their_name() {
        assert_eq!((label("yaw").as_ref(), help("yaw")), ("Turn", "Turns the head to the side"));
        assert_eq!((label("hair_color").as_ref(), help("hair_color")), ("Hair color", DEFAULT_HELP));
        assert_eq!(label("pca.3"), "Pca.3");
        assert_eq!((position("smile"), position("gender"), position("hair_color")), (0, 6, 7));
    }
}

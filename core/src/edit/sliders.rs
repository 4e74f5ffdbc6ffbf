//! Labels, tooltips, units and ranges of the edit sliders: the same in every host. The GIMP plug-in reads them here, the Krita plug-in
//! through the C ABI.
//!
//! A host builds its dialog before it opens a model, so this table repeats unit and range of the face bundles' directions. A test
//! compares them.

use crate::bundle::{DirectionInfo, Unit};
use std::borrow::Cow;

/// The slider of a direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slider {
    /// Name of the direction in the face bundles, such as `mouth_open`.
    pub direction: &'static str,
    /// Label for display, without mnemonic.
    pub label: &'static str,
    /// Tooltip.
    pub help: &'static str,
    /// Group: `pose`, `expression`, `face` or `light`.
    pub group: &'static str,
    /// Unit of strengths.
    pub unit: Unit,
    /// Largest useful strength, in both directions. 0 leaves the face unchanged.
    pub limit: f32,
}

/// The sliders in display order: one for each semantic direction of the face bundles.
pub const SLIDERS: &[Slider] = &[
    sigma(
        "smile",
        "Smile",
        "Right: more smile. Left: more serious. In standard deviations of the model's faces",
        "expression",
    ),
    sigma("age", "Age", "Right: older. Left: younger", "face"),
    degrees("yaw", "Turn", "Turns the head to the side, by degrees", 30.0),
    degrees("pitch", "Nod", "Raises or lowers the head, by degrees", 15.0),
    sigma("mouth_open", "Mouth open", "Right: opens the mouth. Left: closes it", "expression"),
    sigma("eyes_open", "Eyes open", "Right: opens the eyes. Left: closes them", "expression"),
    sigma("brows", "Eyebrows", "Right: raises the eyebrows. Left: lowers them", "expression"),
    sigma("gender", "Gender", "More feminine or more masculine", "face"),
    sigma("brightness", "Brightness", "Right: brighter light on the face. Left: darker", "light"),
    sigma(
        "side_light",
        "Light from the side",
        "From which side the light comes. Right: from the right of the picture",
        "light",
    ),
    sigma("warmth", "Warmth", "Right: warmer skin and light. Left: paler and cooler", "light"),
];

const fn sigma(
    direction: &'static str,
    label: &'static str,
    help: &'static str,
    group: &'static str,
) -> Slider {
    Slider { direction, label, help, group, unit: Unit::Sigma, limit: 3.0 }
}

const fn degrees(direction: &'static str, label: &'static str, help: &'static str, limit: f32) -> Slider {
    Slider { direction, label, help, group: "pose", unit: Unit::Deg, limit }
}

impl Slider {
    /// Unit, range and group. A model may differ; ask its directions once it is open.
    pub fn info(&self) -> DirectionInfo {
        DirectionInfo {
            unit: self.unit,
            range: [-self.limit, self.limit],
            group: Some(self.group.into()),
            ..DirectionInfo::default()
        }
    }
}

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

/// The slider of a direction of the face bundles.
pub fn slider(direction: &str) -> Option<&'static Slider> {
    SLIDERS.iter().find(|slider| slider.direction == direction)
}

/// Position of a direction in the display order; directions that are not in [`SLIDERS`] come last. Sort key for a stable
/// sort.
pub fn position(direction: &str) -> usize {
    SLIDERS.iter().position(|slider| slider.direction == direction).unwrap_or(SLIDERS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_directions_have_labels_and_others_are_named_by_their_name() {
        assert_eq!(label("yaw"), "Turn");
        assert!(help("yaw").starts_with("Turns the head"));
        assert_eq!((label("hair_color").as_ref(), help("hair_color")), ("Hair color", DEFAULT_HELP));
        assert_eq!(label("pca.3"), "Pca.3");
        assert_eq!((position("smile"), position("age"), position("hair_color")), (0, 1, SLIDERS.len()));
        assert_eq!(slider("yaw").unwrap().info().range, [-30.0, 30.0]);
    }
}

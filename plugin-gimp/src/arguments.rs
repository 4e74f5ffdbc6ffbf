//! The arguments of the procedures, which are also the rows of their dialogs.

use crate::host::{ArgumentKind, ArgumentSpec};
use gani_core::edit::sliders::{SLIDERS, Slider};

/// Presets: name and label. The first is the default.
const PRESETS: [(&str, &str); 4] = [
    ("fast", "Fast: a few minutes"),
    ("best", "Best: three times as long"),
    ("draft", "Draft: half a minute, rough"),
    ("paper", "Paper: published settings, for comparison"),
];

/// Devices: name and label. The first is the default.
const DEVICES: [(&str, &str); 3] = [("auto", "Automatic"), ("cpu", "CPU"), ("cuda", "GPU (CUDA)")];

/// Faces: name and label. The first is the default.
const FACES: [(&str, &str); 9] = [
    ("largest", "Automatic"),
    ("1", "1st from the left"),
    ("2", "2nd from the left"),
    ("3", "3rd from the left"),
    ("4", "4th from the left"),
    ("5", "5th from the left"),
    ("6", "6th from the left"),
    ("7", "7th from the left"),
    ("8", "8th from the left"),
];

/// The argument `model`. In the dialog it is a list of the installed models.
pub fn model() -> ArgumentSpec {
    ArgumentSpec {
        name: "model".into(),
        label: "Mo_del".into(),
        help: "Name or folder of the face model. Empty: the default, which is for photos",
        kind: ArgumentKind::String,
    }
}

/// The arguments that select the face and how to invert it, except [`model`].
pub fn inversion() -> Vec<ArgumentSpec> {
    vec![
        choice(
            "preset",
            "_Quality",
            "How much work goes into the first inversion of a face. Later edits reuse the inversion",
            PRESETS,
        ),
        choice(
            "device",
            "De_vice",
            "Where the networks run. Automatic: the GPU if CUDA works, otherwise the CPU",
            DEVICES,
        ),
        choice(
            "face",
            "_Which face",
            "Automatic: the selected face, or the largest if nothing is selected",
            FACES,
        ),
    ]
}

/// The argument `keep`: what stays of the layer inside the face's square.
pub fn keep() -> ArgumentSpec {
    choice(
        "keep",
        "_Keep",
        "What stays of the photo around and in the face. Everything unchanged: hair, background and skin wherever the edit \
         changes nothing. Background: the same, but the face is the model's",
        [("all", "Everything unchanged"), ("background", "Background"), ("none", "Nothing")],
    )
}

/// The argument `output`: what Edit Face writes to.
pub fn output() -> ArgumentSpec {
    choice(
        "output",
        "O_utput",
        "Add a new layer above the selected layer, or change the selected layer",
        [("new-layer", "New layer"), ("drawable", "Change this layer")],
    )
}

/// The sliders: one strength for each named direction.
pub fn sliders() -> Vec<ArgumentSpec> {
    let row = |slider: &Slider| {
        let label = match mnemonic(slider.direction) {
            Some(letter) => with_mnemonic(slider.label, letter),
            None => slider.label.into(),
        };
        strength(argument_name(slider.direction), label, slider.help, slider.limit, 0.0)
    };
    SLIDERS.iter().map(row).collect()
}

/// The mnemonic of a slider. All mnemonics of a dialog have to be different, so the sliders of the light have none: all letters of
/// their labels are in use.
fn mnemonic(direction: &str) -> Option<char> {
    Some(match direction {
        "smile" => 'm',
        "age" => 'a',
        "mouth_open" => 'h',
        "yaw" => 't',
        "pitch" => 'n',
        "eyes_open" => 'e',
        "brows" => 'y',
        "gender" => 'g',
        _ => return None,
    })
}

/// The argument `look`: saved edits. In the dialog, a look moves the sliders instead.
pub fn look() -> ArgumentSpec {
    ArgumentSpec {
        name: "look".into(),
        label: "_Look".into(),
        help: "Name of a look: saved edits, which the sliders that are not 0 replace or add to",
        kind: ArgumentKind::String,
    }
}

/// The argument `more`: edits along any other direction.
pub fn more() -> ArgumentSpec {
    ArgumentSpec {
        name: "more".into(),
        label: "_Further edits".into(),
        help: "Other directions and their strengths, for example: pca.3=1.5 sefa.0=-2",
        kind: ArgumentKind::String,
    }
}

/// The arguments of Face Variations: a direction, its first and last strength, and the number of layers.
///
/// GIMP stores the declared arguments when it first sees the plug-in, before a model is chosen. So the choice lists the
/// directions of the face bundles instead of those of the chosen model.
pub fn variations() -> Vec<ArgumentSpec> {
    let directions = SLIDERS.iter().map(|slider| (argument_name(slider.direction), slider.label));
    let first = "Strength of the first layer; 3 is the end of the direction's range, such as 3 standard deviations or 30 degrees";
    let last = "Strength of the last layer, which the preview shows";
    let limit = 3.0;
    vec![
        choice("direction", "Dir_ection", "What changes from layer to layer", directions),
        strength("from".into(), "_From".into(), first, limit, -2.0),
        strength("to".into(), "_To".into(), last, limit, 2.0),
        ArgumentSpec {
            name: "layers".into(),
            label: "La_yers".into(),
            help: "Number of layers",
            kind: ArgumentKind::Int { min: 2, max: 13, default: 5 },
        },
    ]
}

/// The name of a direction in GIMP's procedural database, which uses `-` where bundles use `_`.
pub fn argument_name(direction: &str) -> String {
    direction.replace('_', "-")
}

/// The direction of an argument name: the inverse of [`argument_name`].
pub fn direction(argument_name: &str) -> String {
    argument_name.replace('-', "_")
}

fn strength(name: String, label: String, help: &'static str, limit: f32, default: f64) -> ArgumentSpec {
    let (min, max) = (-f64::from(limit), f64::from(limit));
    ArgumentSpec { name, label, help, kind: ArgumentKind::Double { min, max, default } }
}

fn choice(
    name: &str,
    label: &str,
    help: &'static str,
    values: impl IntoIterator<Item = (impl Into<String>, &'static str)>,
) -> ArgumentSpec {
    let values = values.into_iter().map(|(value, label)| (value.into(), label)).collect();
    ArgumentSpec { name: name.into(), label: label.into(), help, kind: ArgumentKind::Choice(values) }
}

/// `label` with a `_` before the first `letter`, in either case: GTK's notation for a mnemonic.
fn with_mnemonic(label: &str, letter: char) -> String {
    let at = label.to_lowercase().find(letter).unwrap_or(0);
    let (before, after) = label.split_at_checked(at).unwrap_or(("", label));
    format!("{before}_{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slider_is_a_direction_of_the_face_bundles() {
        let bundle = gani_core::bundle::Bundle::open("ffhq-64").unwrap();
        let directions = bundle.directions().unwrap();
        let sliders = sliders();
        assert_eq!(sliders.len(), SLIDERS.len());
        for (argument, slider) in sliders.iter().zip(SLIDERS) {
            assert_eq!(argument.name, argument_name(slider.direction));
            let info = &directions.get(&direction(&argument.name)).unwrap().info;
            assert_eq!((info.unit, info.range), (slider.unit, slider.info().range), "{}", argument.name);
        }
        assert_eq!(sliders.len(), directions.named.len(), "a direction has no slider");
    }

    #[test]
    fn mnemonic_is_marked_in_the_label() {
        assert_eq!(with_mnemonic("Smile", 'm'), "S_mile");
        assert_eq!(with_mnemonic("Eyes open", 'e'), "_Eyes open");
    }
}

//! The arguments that both procedures share, and edits as their sliders say them.

use crate::host::Host;
use crate::host::handles::Config;
use crate::procedure::{Argument, Kind, Stop};
use gani_core::edit::Edit;
use gani_core::photo::FaceChoice;
use gani_core::preset::Preset;
use gani_core::runtime::DeviceChoice;
use std::ffi::CStr;

/// The model, what to invert with it, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Name or folder of the bundle; the best installed one where empty.
    pub model: String,
    /// How much work an inversion is.
    pub preset: Preset,
    /// Where networks run.
    pub device: DeviceChoice,
    /// Which face.
    pub face: FaceChoice,
}

/// The argument for the model; the dialog has a list of what is installed.
pub const MODEL: Argument = Argument {
    name: c"model",
    label: c"Mo_del",
    help: c"Name or folder of the face model; empty for the best one installed. \"gani models fetch ffhq-1024\" gets the 1024 px model",
    kind: Kind::Text,
};

/// The rows for the settings beside [`MODEL`].
pub const SETTINGS: &[Argument] = &[
    Argument {
        name: c"preset",
        label: c"_Quality",
        help: c"How long a face is worked on the first time; afterwards it is remembered",
        kind: Kind::Choice(&[
            (c"fast", c"Fast: a few minutes"),
            (c"best", c"Best: three times as long"),
            (c"paper", c"Paper: as published, for comparison"),
        ]),
    },
    Argument {
        name: c"device",
        label: c"De_vice",
        help: c"Where the networks run; Automatic takes the GPU where CUDA works, else the processor",
        kind: Kind::Choice(&[(c"auto", c"Automatic"), (c"cpu", c"Processor"), (c"cuda", c"GPU (CUDA)")]),
    },
    Argument {
        name: c"face",
        label: c"_Which face",
        help: c"Automatic: the one that is selected, or else the largest",
        kind: Kind::Choice(&[
            (c"largest", c"Automatic"),
            (c"1", c"1st from the left"),
            (c"2", c"2nd from the left"),
            (c"3", c"3rd from the left"),
            (c"4", c"4th from the left"),
            (c"5", c"5th from the left"),
            (c"6", c"6th from the left"),
            (c"7", c"7th from the left"),
            (c"8", c"8th from the left"),
        ]),
    },
];

/// The row for where the result goes.
pub const OUTPUT: Argument = Argument {
    name: c"output",
    label: c"O_utput",
    help: c"A new layer above, or the selected layer itself",
    kind: Kind::Choice(&[(c"new-layer", c"New layer"), (c"drawable", c"Change this layer")]),
};

/// The sliders: the directions of gani's face models, σ either way.
pub const DIRECTIONS: &[Argument] = &[
    slider(
        c"smile",
        c"S_mile",
        c"Right: more of a smile; left: more serious. In standard deviations of the model's faces",
    ),
    slider(c"age", c"_Age", c"Right: older; left: younger"),
    slider(c"yaw", c"_Turn", c"Turns the head to the side"),
    slider(c"pitch", c"_Nod", c"Lifts or lowers the head"),
    slider(c"mouth-open", c"Mout_h open", c"Right: opens the mouth; left: closes it"),
    slider(c"eyes-open", c"_Eyes open", c"Right: opens the eyes; left: closes them"),
    slider(c"gender", c"_Gender", c"More feminine or more masculine"),
];

/// The row for all other directions.
pub const MORE: Argument = Argument {
    name: c"more",
    label: c"_Further edits",
    help: c"Other directions with their strengths, for example: pca.3=1.5 sefa.0=-2",
    kind: Kind::Text,
};

const fn slider(name: &'static CStr, label: &'static CStr, help: &'static CStr) -> Argument {
    Argument { name, label, help, kind: Kind::Number { from: -3.0, to: 3.0, default: 0.0 } }
}

/// A direction's name in the bundles: scripts of GIMP write `-` where bundles write `_`.
pub fn direction(name: &str) -> String {
    name.replace('-', "_")
}

impl Settings {
    /// Those of a call.
    pub fn read(host: Host, config: Config) -> Result<Settings, Stop> {
        Ok(Settings {
            model: host.text(config, MODEL.name).trim().to_string(),
            preset: host.text(config, c"preset").parse()?,
            device: host.text(config, c"device").parse()?,
            face: host.text(config, c"face").parse()?,
        })
    }

    /// The model's name.
    pub fn model_name(&self) -> &str {
        if self.model.is_empty() { gani_core::bundle::preferred() } else { &self.model }
    }
}

/// The edits that the sliders and [`MORE`] of a call ask for; sliders at 0 ask for none.
pub fn edits(host: Host, config: Config) -> Result<Vec<Edit>, Stop> {
    let mut edits = Vec::new();
    for argument in DIRECTIONS {
        let strength = host.number(config, argument.name) as f32;
        if strength != 0.0 {
            edits.push(Edit { direction: direction(&argument.name.to_string_lossy()), strength });
        }
    }
    let more = host.text(config, MORE.name);
    for edit in more.split([' ', ',', ';', '\n']).filter(|word| !word.is_empty()) {
        edits.push(edit.parse()?);
    }
    Ok(edits)
}

/// `smile +1.5, age −2`, for the names of layers.
pub fn described(edits: &[Edit]) -> String {
    let each = |edit: &Edit| format!("{} {}", edit.direction.replace('_', " "), signed(edit.strength));
    edits.iter().map(each).collect::<Vec<_>>().join(", ")
}

/// A strength with its sign, without needless digits.
pub fn signed(strength: f32) -> String {
    let rounded = (strength * 100.0).round() / 100.0;
    let sign = if rounded < 0.0 { "−" } else { "+" };
    if rounded == 0.0 { "0".into() } else { format!("{sign}{}", rounded.abs()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_named_by_their_edits() {
        let edits = ["smile=1.5", "mouth_open=-2", "pca.3=0.333"].map(|e| e.parse().unwrap());
        assert_eq!(described(&edits), "smile +1.5, mouth open −2, pca.3 +0.33");
        assert_eq!(signed(0.0), "0");
    }

    #[test]
    fn the_sliders_are_the_directions_of_the_face_bundles() {
        let bundle = gani_core::bundle::Bundle::open("ffhq-64").unwrap();
        let directions = bundle.directions().unwrap();
        for slider in DIRECTIONS {
            directions.get(&direction(&slider.name.to_string_lossy())).unwrap();
        }
        assert_eq!(DIRECTIONS.len(), directions.named.len(), "a direction has no slider");
    }
}

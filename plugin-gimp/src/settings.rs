//! The values of a call's arguments: settings of the inversion, and edits.

use crate::arguments::{direction, sliders};
use crate::error::Result;
use crate::host::LibGimp;
use crate::host::handles::Config;
use crate::record::{Record, UsedInversion};
use gani_core::edit::Edit;
use gani_core::edit::looks::Looks;
use gani_core::edit::sliders::{Slider, position, slider};
use gani_core::face::{FaceChoice, Keep};
use gani_core::runtime::DeviceChoice;
use gani_core::settings::Preset;
use std::collections::HashMap;

/// The model, the face, and how to invert it.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Name or folder of the bundle; the default one if empty.
    pub model: String,
    /// The preset of the inversion.
    pub preset: Preset,
    /// Where the networks run.
    pub device: DeviceChoice,
    /// Which face.
    pub face: FaceChoice,
}

impl Settings {
    /// The settings of a call.
    pub fn read(gimp: LibGimp, config: Config) -> Result<Settings> {
        Ok(Settings {
            model: gimp.get_string(config, "model").trim().to_string(),
            preset: gimp.get_string(config, "preset").parse()?,
            device: gimp.get_string(config, "device").parse()?,
            face: gimp.get_string(config, "face").parse()?,
        })
    }

    /// The name or folder of the bundle, never empty.
    pub fn model_name(&self) -> String {
        if self.model.is_empty() { gani_core::bundle::default_name() } else { self.model.clone() }
    }
}

/// What stays of the layer.
pub fn read_keep(gimp: LibGimp, config: Config) -> Result<Keep> {
    Ok(gimp.get_string(config, "keep").parse()?)
}

/// The edits of a call: those of the sliders and of the argument `more` replace those of the look, or add to them. A slider at 0
/// adds no edit.
pub fn read_edits(gimp: LibGimp, config: Config) -> Result<Vec<Edit>> {
    let sliders = read_sliders(gimp, config)?;
    let look = gimp.get_string(config, "look");
    if look.is_empty() {
        return Ok(sliders);
    }
    let mut edits = Looks::for_user()?.get(&look)?.with(sliders);
    edits.sort_by_key(|edit| position(&edit.direction)); // the order of the sliders: sums depend on it in the last digit
    Ok(edits)
}

/// The edits of the sliders and of the argument `more`.
pub fn read_sliders(gimp: LibGimp, config: Config) -> Result<Vec<Edit>> {
    let mut edits = Vec::new();
    for argument in sliders() {
        let strength = gimp.get_double(config, &argument.name) as f32;
        if strength != 0.0 {
            edits.push(edit(direction(&argument.name), strength));
        }
    }
    let more = gimp.get_string(config, "more");
    for edit in more.split([' ', ',', ';', '\n']).filter(|word| !word.is_empty()) {
        edits.push(edit.parse()?);
    }
    Ok(edits)
}

/// Moves the sliders to `edits`. Edits without a slider go to the argument `more`.
pub fn write_sliders(gimp: LibGimp, config: Config, edits: &[Edit]) {
    let (mut more, mut strengths) = (Vec::new(), HashMap::new());
    for edit in edits {
        match slider(&edit.direction).filter(|slider| edit.unit.is_none_or(|unit| unit == slider.unit)) {
            Some(_) => _ = strengths.insert(&edit.direction[..], edit.strength),
            None => more.push(edit.to_string()),
        }
    }
    for argument in sliders() {
        let strength = strengths.get(&direction(&argument.name)[..]).copied().unwrap_or(0.0);
        gimp.set_double(config, &argument.name, strength.into());
    }
    gimp.set_string(config, "more", &more.join(" "));
}

/// Sets the arguments to those of an edit that is continued.
pub fn write_record(gimp: LibGimp, config: Config, record: &Record) -> Result<()> {
    let UsedInversion { model, preset, face, .. } = &record.inversion;
    let model = if *model == gani_core::bundle::default_name() { "" } else { model };
    write_sliders(gimp, config, &record.edits()?);
    gimp.set_string(config, "model", model);
    gimp.set_string(config, "preset", preset);
    gimp.set_string(config, "face", &face.to_string());
    gimp.set_string(config, "keep", &record.keep);
    Ok(())
}

/// A step along a direction, in the unit of its slider. A model whose directions have another unit refuses it.
fn edit(direction: String, strength: f32) -> Edit {
    let unit = slider(&direction).map(|slider| slider.unit);
    Edit { unit, ..Edit::new(direction, strength) }
}

/// The edits of all layers of Face Variations, from the first to the last. Strengths of all directions have one scale: 3 is the end
/// of the direction's range.
pub fn read_variations(gimp: LibGimp, config: Config) -> Vec<Edit> {
    let (from, to) = (gimp.get_double(config, "from"), gimp.get_double(config, "to"));
    let count = gimp.get_int(config, "layers").max(2);
    let direction = direction(&gimp.get_string(config, "direction"));
    let strength = |i| (from + (to - from) * f64::from(i) / f64::from(count - 1)) as f32;
    let info = slider(&direction).map(Slider::info).unwrap_or_default();
    (0..count).map(|i| edit(direction.clone(), info.from_sigmas(strength(i)))).collect()
}

/// `smile +1.5, age −2`: edits as part of a layer name.
pub fn format_edits(edits: &[Edit]) -> String {
    let one = |edit: &Edit| format!("{} {}", display_name(edit), format_strength(edit.strength));
    edits.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The direction of an edit, as users read it.
pub fn display_name(edit: &Edit) -> String {
    edit.direction.replace('_', " ")
}

/// A strength with its sign, rounded to two decimals.
pub fn format_strength(strength: f32) -> String {
    let rounded = (strength * 100.0).round() / 100.0;
    let sign = if rounded < 0.0 { "−" } else { "+" };
    if rounded == 0.0 { "0".into() } else { format!("{sign}{}", rounded.abs()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_names_list_the_edits() {
        let edits = ["smile=1.5", "mouth_open=-2", "pca.3=0.333"].map(|e| e.parse().unwrap());
        assert_eq!(format_edits(&edits), "smile +1.5, mouth open −2, pca.3 +0.33");
        assert_eq!(format_strength(0.0), "0");
    }
}

//! Edits: moving a latent along directions, in each direction's unit and style layers.

use crate::bundle::{Direction, Unit, style_resolutions};
use crate::{Error, Result};
use std::ops::RangeInclusive;

/// A step along a direction: `smile=1.5` moves by 1.5 units of the direction, `yaw=20` by 20 degrees.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// Name of the direction.
    pub direction: String,
    /// Strength in the direction's unit ([`DirectionInfo::unit`](crate::bundle::DirectionInfo)); negative values move the other way.
    pub strength: f32,
    /// The unit in which the strength is meant; `None` for the direction's own. Another unit is an error when the edit is applied.
    pub unit: Option<Unit>,
}

impl Edit {
    /// A step of `strength` along `direction`, in the direction's unit.
    pub fn new(direction: impl Into<String>, strength: f32) -> Edit {
        Edit { direction: direction.into(), strength, unit: None }
    }

    /// Checks the edit's unit.
    ///
    /// # Errors
    /// [`Error::Input`] if the edit has another unit than the direction.
    pub fn check_unit(&self, direction: &Direction) -> Result<()> {
        match self.unit {
            Some(unit) if unit != direction.info.unit => Err(Error::Input(format!(
                "this model edits `{0}` in {1}, not in {2}; write {0}=STRENGTH in {1}, or, if gani has been updated, install the \
                 model again",
                self.direction,
                direction.info.unit.name(),
                unit.name(),
            ))),
            _ => Ok(()),
        }
    }
}

/// `smile=1.5`, or with the unit, if there is one: `yaw=20deg`.
impl std::fmt::Display for Edit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}{}", self.direction, self.strength, self.unit.map_or("", Unit::name))
    }
}

impl std::str::FromStr for Edit {
    type Err = Error;

    /// Parses `NAME=STRENGTH`, with an optional unit after the number: `smile=1.5`, `yaw=20deg`.
    fn from_str(text: &str) -> Result<Edit> {
        let parsed = text.split_once('=').and_then(|(name, value)| {
            let (name, value) = (name.trim(), value.trim());
            let digits = value.trim_end_matches(|c: char| c.is_alphabetic() || c == '°');
            let unit = match &value[digits.len()..] {
                "" => None,
                unit => Some(Unit::parse(unit)?),
            };
            let strength = digits.trim_end().parse::<f32>().ok()?;
            (!name.is_empty() && strength.is_finite()).then(|| Edit { unit, ..Edit::new(name, strength) })
        });
        parsed.ok_or_else(|| {
            Error::Input(format!(
                "`{text}` is not an edit; write NAME=STRENGTH, for example smile=1.5, age=-2 or yaw=20deg"
            ))
        })
    }
}

/// The style layers that an edit changes, counted from 0.
#[derive(Clone, Debug, PartialEq)]
pub struct StyleRange(pub RangeInclusive<usize>);

impl std::str::FromStr for StyleRange {
    type Err = Error;

    /// Parses `A-B` or `A`.
    fn from_str(text: &str) -> Result<StyleRange> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        match (from.trim().parse(), to.trim().parse()) {
            (Ok(a), Ok(b)) if a <= b => Ok(StyleRange(a..=b)),
            _ => Err(Error::Input(format!(
                "`{text}` is not a range of style layers; write A-B with A ≤ B, for example 4-7"
            ))),
        }
    }
}

/// ws `[n·512]` ← ws + Σ a · step / gain(ws) · unit, where a is
/// [`DirectionInfo::steps`](crate::bundle::DirectionInfo::steps) of the strength, for a generator of images of `resolution` px.
///
/// Each direction changes its own style layers, or those of `layers` if given.
///
/// # Errors
/// [`Error::Input`] for layers that the generator does not have, or a direction of another size.
pub fn apply(
    ws: &mut [f32],
    dims: usize,
    resolution: usize,
    steps: &[(&Direction, f32)],
    layers: Option<&StyleRange>,
) -> Result<()> {
    let count = ws.len() / dims.max(1);
    if let Some(StyleRange(range)) = layers.filter(|l| *l.0.end() >= count) {
        let (a, b) = (range.start(), range.end());
        return Err(Error::Input(format!(
            "style layers {a}-{b} do not exist: this generator has {count} layers, 0-{}",
            count - 1
        )));
    }
    for (direction, _) in steps {
        if direction.dims() != dims || ![1, count].contains(&direction.layers) {
            return Err(Error::Input(format!(
                "the direction {} has {} × {} numbers, but the latent has {count} × {dims}: it was made for another generator",
                direction.name.escape_debug(),
                direction.layers,
                direction.dims()
            )));
        }
    }
    let resolutions = style_resolutions(count, resolution);
    let changed = |direction: &Direction, layer: usize| match layers {
        Some(StyleRange(range)) => range.contains(&layer),
        None => direction.info.covers(resolutions[layer]),
    };
    // The gains are those of the face before all edits, so that the order of edits does not matter.
    let mut scales = Vec::with_capacity(steps.len());
    for (direction, strength) in steps {
        let gain = direction.gain.as_ref().map_or(1.0, |gain| {
            let own: Vec<&[f32]> =
                ws.chunks(dims).enumerate().filter(|(l, _)| changed(direction, *l)).map(|(_, w)| w).collect();
            let mean = |i: usize| own.iter().map(|w| w[i]).sum::<f32>() / own.len().max(1) as f32;
            gain.at((0..dims).map(mean))
        });
        scales.push(direction.info.steps(*strength) * direction.step() / gain);
    }
    for (layer, w) in ws.chunks_mut(dims).enumerate() {
        for ((direction, _), scale) in steps.iter().zip(&scales).filter(|((d, _), _)| changed(d, layer)) {
            w.iter_mut().zip(direction.layer(layer)).for_each(|(w, d)| *w += scale * d);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{DirectionInfo, Gain};

    #[test]
    fn an_edit_moves_only_its_layers_by_sigma() {
        let smile = Direction::new("smile", vec![0.0, 1.0], 2.0);
        let mut ws = vec![0.0; 6];
        apply(&mut ws, 2, 8, &[(&smile, 1.5)], Some(&StyleRange(1..=1))).unwrap();
        assert_eq!(ws, [0.0, 0.0, 0.0, 3.0, 0.0, 0.0]);
        assert!(apply(&mut ws, 2, 8, &[], Some(&StyleRange(2..=3))).is_err());
    }

    #[test]
    fn a_direction_moves_its_own_layers_by_its_own_step() {
        let info = DirectionInfo {
            unit: Unit::Deg,
            step: Some(0.5),
            resolutions: Some([8, 8]),
            ..DirectionInfo::default()
        };
        let yaw = Direction { info, ..Direction::new("yaw", vec![1.0], 2.0) };
        // Layers of 4, 8, 8, 16, 16 and 16 px.
        let mut ws = vec![0.0; 6];
        apply(&mut ws, 1, 16, &[(&yaw, 20.0)], None).unwrap();
        assert_eq!(ws, [0.0, 10.0, 10.0, 0.0, 0.0, 0.0]);
        apply(&mut ws, 1, 16, &[(&yaw, -2.0)], Some(&StyleRange(4..=5))).unwrap();
        assert_eq!(ws, [0.0, 10.0, 10.0, 0.0, -1.0, -1.0]);
        // A face that turns twice as far needs half the step.
        let yaw = Direction { gain: Some(Gain { slope: vec![0.1], bias: 0.5 }), ..yaw };
        let mut ws = vec![10.0; 6];
        apply(&mut ws, 1, 16, &[(&yaw, 3.0)], None).unwrap();
        assert_eq!(ws, [10.0, 11.0, 11.0, 10.0, 10.0, 10.0]);
        let degrees: Edit = "yaw=20deg".parse().unwrap();
        degrees.check_unit(&yaw).unwrap();
        let error = Edit { direction: "smile".into(), ..degrees }
            .check_unit(&Direction::new("smile", vec![1.0], 1.0))
            .unwrap_err();
        assert!(error.to_string().contains("`smile` in sigma, not in deg"), "{error}");
    }

    #[test]
    fn edits_and_layers_are_parsed() {
        for bad in ["smile", "=1", "a=x", "a=nan", "a=inf", "a=1px", "a=deg", "a="] {
            assert!(bad.parse::<Edit>().is_err(), "{bad}");
        }
        assert_eq!("age=-2".parse::<Edit>().unwrap(), Edit::new("age", -2.0));
        assert_eq!("age=1e-1".parse::<Edit>().unwrap(), Edit::new("age", 0.1));
        for degrees in ["yaw=20deg", "yaw = 20 deg", "yaw=20°"] {
            let edit = Edit { unit: Some(Unit::Deg), ..Edit::new("yaw", 20.0) };
            assert_eq!(degrees.parse::<Edit>().unwrap(), edit);
            assert_eq!(edit.to_string(), "yaw=20deg");
        }
        assert_eq!("4-7".parse::<StyleRange>().unwrap(), StyleRange(4..=7));
        assert!("7-4".parse::<StyleRange>().is_err());
    }
}

//! Edits: moving a latent along directions, in standard deviations, in all style layers or some of them.

use crate::bundle::Direction;
use crate::{Error, Result};
use std::ops::RangeInclusive;

/// A step along a direction: `smile=1.5` moves w by 1.5 σ.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// Name of the direction.
    pub direction: String,
    /// Strength in σ; negative values move the other way.
    pub strength: f32,
}

impl Edit {
    /// A step of `strength` σ along `direction`.
    pub fn new(direction: impl Into<String>, strength: f32) -> Edit {
        Edit { direction: direction.into(), strength }
    }
}

impl std::str::FromStr for Edit {
    type Err = Error;

    /// Parses `NAME=SIGMA`.
    fn from_str(text: &str) -> Result<Edit> {
        let parts = text.split_once('=').map(|(name, value)| (name.trim(), value.trim().parse::<f32>()));
        match parts {
            Some((name, Ok(strength))) if !name.is_empty() && strength.is_finite() => {
                Ok(Edit::new(name, strength))
            }
            _ => Err(Error::Input(format!(
                "`{text}` is not an edit; write NAME=SIGMA, for example smile=1.5 or age=-2"
            ))),
        }
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

/// ws `[n·512]` ← ws + Σ strength · σ · unit, in the style layers of `layers` (`None`: all).
///
/// # Errors
/// [`Error::Input`] for layers that the generator does not have.
pub fn apply(
    ws: &mut [f32],
    dims: usize,
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
    for (layer, w) in ws.chunks_mut(dims).enumerate() {
        if layers.is_some_and(|l| !l.0.contains(&layer)) {
            continue;
        }
        for (direction, strength) in steps {
            let scale = strength * direction.sigma;
            w.iter_mut().zip(&direction.unit).for_each(|(w, d)| *w += scale * d);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_moves_only_its_layers_by_sigma() {
        let smile = Direction { name: "smile".into(), unit: vec![0.0, 1.0], sigma: 2.0 };
        let mut ws = vec![0.0; 6];
        apply(&mut ws, 2, &[(&smile, 1.5)], Some(&StyleRange(1..=1))).unwrap();
        assert_eq!(ws, [0.0, 0.0, 0.0, 3.0, 0.0, 0.0]);
        assert!(apply(&mut ws, 2, &[], Some(&StyleRange(2..=3))).is_err());
    }

    #[test]
    fn edits_and_layers_are_parsed() {
        for bad in ["smile", "=1", "a=x", "a=nan"] {
            assert!(bad.parse::<Edit>().is_err(), "{bad}");
        }
        assert_eq!("age=-2".parse::<Edit>().unwrap(), Edit::new("age", -2.0));
        assert_eq!("4-7".parse::<StyleRange>().unwrap(), StyleRange(4..=7));
        assert!("7-4".parse::<StyleRange>().is_err());
    }
}

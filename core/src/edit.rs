//! Editing: moving a latent along directions, in standard deviations, in some or all style layers.

use crate::{Error, Result};
use std::ops::RangeInclusive;

/// One direction of W: a unit vector and the spread of latents along it.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction {
    /// `smile`, `pca.3`, `sefa.0`.
    pub name: String,
    /// Unit vector, `[512]`.
    pub unit: Vec<f32>,
    /// Standard deviation of w along it: strengths are given in these.
    pub sigma: f32,
}

/// A step along a direction: `smile=1.5`, in σ.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// Name of the direction.
    pub direction: String,
    /// Strength in σ; negative goes the other way.
    pub strength: f32,
}

impl std::str::FromStr for Edit {
    type Err = Error;

    /// Reads `NAME=SIGMA`.
    fn from_str(text: &str) -> Result<Edit> {
        let parts = text.split_once('=').map(|(name, value)| (name.trim(), value.trim().parse::<f32>()));
        match parts {
            Some((name, Ok(strength))) if !name.is_empty() && strength.is_finite() => {
                Ok(Edit { direction: name.into(), strength })
            }
            _ => Err(Error::Input(format!(
                "`{text}` is no edit; write NAME=SIGMA, for example smile=1.5 or age=-2"
            ))),
        }
    }
}

/// The style layers that an edit touches, counted from 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Layers(pub RangeInclusive<usize>);

impl std::str::FromStr for Layers {
    type Err = Error;

    /// Reads `A-B` or `A`.
    fn from_str(text: &str) -> Result<Layers> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        match (from.trim().parse(), to.trim().parse()) {
            (Ok(a), Ok(b)) if a <= b => Ok(Layers(a..=b)),
            _ => Err(Error::Input(format!(
                "`{text}` is no range of style layers; write A-B with A ≤ B, for example 4-7"
            ))),
        }
    }
}

/// ws `[n·512]` ← ws + Σ strength · σ · unit, in the style layers of `layers` (all where absent).
pub fn apply(
    ws: &mut [f32],
    dims: usize,
    steps: &[(&Direction, f32)],
    layers: Option<&Layers>,
) -> Result<()> {
    let count = ws.len() / dims.max(1);
    if let Some(Layers(range)) = layers.filter(|l| *l.0.end() >= count) {
        let (a, b) = (range.start(), range.end());
        return Err(Error::Input(format!(
            "style layers {a}-{b}: this generator has {count}, 0-{}",
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

/// The error for a direction that does not exist: names near ones.
pub fn unknown_direction(name: &str, known: &[&str]) -> Error {
    let mut near: Vec<_> =
        known.iter().map(|k| (distance(name, k), *k)).filter(|(d, k)| *d <= 1 + k.len() / 3).collect();
    near.sort();
    let hint = match near.first() {
        Some((_, k)) => format!("did you mean `{k}`? "),
        None => String::new(),
    };
    Error::Input(format!(
        "no direction is called `{name}`; {hint}there are {}, pca.0 … and sefa.0 …",
        known.join(", ")
    ))
}

/// Levenshtein distance: edits of one letter between two names.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_moves_only_its_layers_by_sigma() {
        let smile = Direction { name: "smile".into(), unit: vec![0.0, 1.0], sigma: 2.0 };
        let mut ws = vec![0.0; 6];
        apply(&mut ws, 2, &[(&smile, 1.5)], Some(&Layers(1..=1))).unwrap();
        assert_eq!(ws, [0.0, 0.0, 0.0, 3.0, 0.0, 0.0]);
        assert!(apply(&mut ws, 2, &[], Some(&Layers(2..=3))).is_err());
    }

    #[test]
    fn an_unknown_direction_suggests_the_near_one() {
        let text = unknown_direction("smle", &["age", "smile", "yaw"]).to_string();
        assert!(text.contains("did you mean `smile`"), "{text}");
        assert!(
            "smile".parse::<Edit>().is_err()
                && "=1".parse::<Edit>().is_err()
                && "a=x".parse::<Edit>().is_err()
        );
        assert_eq!("age=-2".parse::<Edit>().unwrap(), Edit { direction: "age".into(), strength: -2.0 });
        assert!("7-4".parse::<Layers>().is_err());
    }
}

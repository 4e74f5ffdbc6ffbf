//! How a direction is used: the unit of strengths, the useful range, and the style layers that it changes.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The unit of a direction's strengths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Standard deviations: of w along the direction, or of the attribute among the model's faces if the direction is calibrated.
    #[default]
    Sigma,
    /// Degrees of rotation of the head.
    Deg,
}

impl Unit {
    /// Name in files and on the command line: `sigma`, `deg`.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Sigma => "sigma",
            Unit::Deg => "deg",
        }
    }

    /// Symbol after a number: `σ`, `°`.
    pub fn symbol(self) -> &'static str {
        match self {
            Unit::Sigma => "σ",
            Unit::Deg => "°",
        }
    }

    /// The unit that a user wrote after a number; `None` if it is not a unit.
    pub fn parse(text: &str) -> Option<Unit> {
        match text {
            "sigma" | "σ" => Some(Unit::Sigma),
            "deg" | "°" => Some(Unit::Deg),
            _ => None,
        }
    }
}

/// How a direction is used. The default is that of a plain vector: strengths in standard deviations of w, all style layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DirectionInfo {
    /// Unit of strengths.
    pub unit: Unit,
    /// Smallest and largest useful strength. A strength outside is allowed, but faces degrade.
    pub range: [f32; 2],
    /// Smallest and largest resolution in pixels of the style layers that the direction changes; `None` for all layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolutions: Option<[usize; 2]>,
    /// Group of sliders: `pose`, `expression`, `face`, `light`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Length of the step in W that one unit makes with a generator for which there is no calibration; `None`: σ of w.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<f32>,
    /// Calibrations: sha256 of a generator's file, and the length of the step in W that one unit makes with it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub calibrations: BTreeMap<String, f32>,
    /// Curvature c of the effect: a strength a makes a·(1 + c·a) steps.
    #[serde(skip_serializing_if = "is_zero")]
    pub curve: f32,
    /// Whether the step was measured with the bundle's generator.
    #[serde(skip)]
    pub calibrated: bool,
}

impl Default for DirectionInfo {
    fn default() -> Self {
        DirectionInfo {
            unit: Unit::Sigma,
            range: [-3.0, 3.0],
            resolutions: None,
            group: None,
            step: None,
            calibrations: BTreeMap::new(),
            curve: 0.0,
            calibrated: false,
        }
    }
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

impl DirectionInfo {
    /// Number of steps that the strength makes, with a sign.
    pub fn steps(&self, strength: f32) -> f32 {
        let [min, max] = self.range;
        // Outside the range the curve goes on as a straight line.
        let inside = strength.clamp(min, max);
        inside * (1.0 + self.curve * inside) + (strength - inside) * (1.0 + 2.0 * self.curve * inside)
    }

    /// Whether style layers of `resolution` px are changed.
    pub fn covers(&self, resolution: usize) -> bool {
        self.resolutions.is_none_or(|[min, max]| (min..=max).contains(&resolution))
    }

    /// The strength at `sigmas` of 3, the usual range of standard deviations, on the scale of this direction's own range.
    pub fn from_sigmas(&self, sigmas: f32) -> f32 {
        let [min, max] = self.range;
        sigmas / 3.0 * if sigmas < 0.0 { -min } else { max }
    }

    /// Uses the calibration of the generator with this sha256, if there is one.
    pub(in crate::bundle) fn select_calibration(&mut self, generator_sha256: &str) {
        if let Some(&step) = self.calibrations.get(generator_sha256) {
            (self.step, self.calibrated) = (Some(step), true);
        }
    }

    /// Checks what a file states.
    ///
    /// # Errors
    /// [`Error::Model`], without the name of the file.
    pub(super) fn check(&self, name: &str) -> Result<()> {
        let [min, max] = self.range;
        let positive = |step: &f32| step.is_finite() && *step > 0.0;
        let problem = if !(min.is_finite() && max.is_finite() && min <= 0.0 && max >= 0.0 && min < max) {
            "its range does not include 0"
        } else if !self.step.iter().chain(self.calibrations.values()).all(positive) {
            "a step is not a positive number"
        } else if self.curve.is_nan() || self.curve.abs() * max.max(-min) >= 0.5 {
            "its curve is not monotonic in its range"
        } else if self.resolutions.is_some_and(|[min, max]| min > max) {
            "the smallest resolution is greater than the largest"
        } else {
            return Ok(());
        };
        Err(Error::Model(format!("`info` of {name}: {problem}")))
    }
}

/// Resolution in pixels of each of `num_ws` style layers of a generator of images of `resolution` px.
///
/// StyleGAN2 has two layers for each resolution (a convolution with upsampling, a convolution) after one at 4 px, and the last one
/// for `to_rgb`. MobileStyleGAN has three for each resolution up to half of the image's, which a wavelet transform doubles. Layers of
/// other generators are assigned in equal parts.
pub fn style_resolutions(num_ws: usize, resolution: usize) -> Vec<usize> {
    let doublings = (resolution / 4).checked_ilog2().unwrap_or(0) as usize;
    let doubled = |layer: usize| {
        if num_ws == 2 * doublings + 2 {
            layer.div_ceil(2)
        } else if num_ws + 1 == 3 * doublings {
            layer.div_ceil(3)
        } else {
            (layer * doublings).div_ceil(num_ws.saturating_sub(1).max(1))
        }
    };
    (0..num_ws).map(|layer| 4 << doubled(layer).min(doublings)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_layers_have_the_resolutions_of_their_convolutions() {
        assert_eq!(style_resolutions(10, 64), [4, 8, 8, 16, 16, 32, 32, 64, 64, 64]);
        let mobile = style_resolutions(23, 1024);
        assert_eq!(mobile[..8], [4, 8, 8, 8, 16, 16, 16, 32]);
        assert_eq!(mobile[19..], [512, 512, 512, 1024]);
        assert_eq!(style_resolutions(18, 1024)[15..], [1024, 1024, 1024]);
        assert_eq!(style_resolutions(1, 1), [4]);
        assert_eq!(style_resolutions(5, 16), [4, 8, 8, 8, 16], "MobileStyleGAN of 16 px");
        assert_eq!(style_resolutions(7, 16), [4, 8, 8, 8, 16, 16, 16], "another generator");
    }

    #[test]
    fn a_calibration_belongs_to_one_generator() {
        let text =
            r#"{"unit": "deg", "range": [-30, 30], "resolutions": [4, 32], "calibrations": {"ab": 0.5}}"#;
        let mut info: DirectionInfo = serde_json::from_str(text).unwrap();
        info.check("yaw").unwrap();
        info.select_calibration("cd");
        assert_eq!((info.step, info.calibrated), (None, false));
        info.select_calibration("ab");
        assert_eq!((info.step, info.calibrated), (Some(0.5), true));
        assert!(info.covers(32) && !info.covers(64));
        assert_eq!((info.from_sigmas(1.5), info.from_sigmas(-3.0)), (15.0, -30.0));
        info.curve = 0.01;
        assert_eq!((info.steps(0.0), info.steps(10.0), info.steps(-10.0)), (0.0, 11.0, -9.0));
        assert!((info.steps(31.0) - info.steps(30.0) - 1.6).abs() < 1e-5);
        info.range = [1.0, 2.0];
        assert!(info.check("yaw").is_err());
    }
}

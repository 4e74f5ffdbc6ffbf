//! Effects of tuning on the generator: how much its images of other latents change (drift), and whether directions edit as before
//! (editability).

use crate::edit::{Direction, Edit, Generator};
use crate::inversion::Inversion;
use crate::metrics;
use crate::model::Model;
use crate::photo::resize;
use crate::runtime::Cancel;
use crate::{Error, Result};
use ndarray::{Array2, Array4, ArrayView4};
use serde::{Deserialize, Serialize};

/// Number of latents for drift, sampled from the seeds 0, 1, …
pub const LATENTS: u64 = 32;
/// Strength of the measured edits in σ, in both directions.
pub const STRENGTH: f32 = 2.0;

/// Mean distance of G(w, θ') from G(w, θ) over [`LATENTS`] latents w = f(z), at 256 px.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Mean squared error of values in `[-1,1]`.
    pub mse: f64,
    /// LPIPS, if the bundle has it.
    pub lpips: Option<f64>,
}

/// The effect of a direction at the inversion's latent, with the untuned and with the tuned generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Editability {
    /// Name of the direction.
    pub direction: String,
    /// Change of the attribute in the image for each σ of the edit, before and after tuning. The attribute is measured with the
    /// encoder E as ⟨E(x) − w̄, d⟩/σ, so 1 means that the edit has its full effect. `None` without an encoder.
    #[serde(rename = "moved")]
    pub attribute_change: Option<[f64; 2]>,
    /// Preservation of identity by an edit of ±[`STRENGTH`] σ: mean ID to the unedited image, before and after tuning.
    pub identity: [Option<f64>; 2],
}

/// Measures tuned generators of one model.
pub struct GeneratorProbe {
    model: Model,
    untuned: Generator,
    /// Latents, and their images from the untuned generator at 256 px.
    references: Vec<(Array2<f32>, Array4<f32>)>,
}

impl GeneratorProbe {
    /// Renders the reference images: [`LATENTS`] generator runs.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the model cannot sample latents.
    pub fn new(model: &Model, cancel: &Cancel) -> Result<GeneratorProbe> {
        let untuned = Generator::untuned(model)?;
        let reference = |seed| {
            let ws = model.sample(seed, 1.0, cancel)?;
            let image = downsample(untuned.image(ws.view(), cancel)?.view());
            Ok((ws, image))
        };
        let references = (0..LATENTS).map(reference).collect::<Result<_>>()?;
        Ok(GeneratorProbe { model: model.clone(), untuned, references })
    }

    /// The drift of `tuned`.
    pub fn drift(&self, tuned: &Generator, cancel: &Cancel) -> Result<Drift> {
        let (mut mse, mut lpips) = (0.0, Some(0.0));
        for (ws, reference) in &self.references {
            let image = tuned.image(ws.view(), cancel)?;
            let networks = metrics::Networks { lpips: self.model.lpips()?, identity: None };
            let measured = metrics::measure(image.view(), reference.view(), &networks, cancel)?;
            mse += measured.mse / LATENTS as f64;
            lpips = lpips.zip(measured.lpips).map(|(sum, d)| sum + d / LATENTS as f64);
        }
        Ok(Drift { mse, lpips })
    }

    /// The effects of the model's named directions on `inversion`. `tuned` is the generator with the weights of `inversion`.
    pub fn editability(
        &self,
        tuned: &Generator,
        inversion: &Inversion,
        cancel: &Cancel,
    ) -> Result<Vec<Editability>> {
        let directions = &self.model.directions()?.named;
        let before = self.effects(&self.untuned, inversion, directions, cancel)?;
        // Without weight changes, both generators are the same.
        let after = match inversion.changes.is_empty() {
            true => before.clone(),
            false => self.effects(tuned, inversion, directions, cancel)?,
        };
        let effects = directions.iter().zip(before.into_iter().zip(after));
        Ok(effects
            .map(|(direction, (before, after))| Editability {
                direction: direction.name.clone(),
                attribute_change: before
                    .attribute_change
                    .zip(after.attribute_change)
                    .map(|(before, after)| [before, after]),
                identity: [before.identity, after.identity],
            })
            .collect())
    }

    /// The effects of all directions with one generator.
    fn effects(
        &self,
        generator: &Generator,
        inversion: &Inversion,
        directions: &[Direction],
        cancel: &Cancel,
    ) -> Result<Vec<Effect>> {
        let features = |image: &Array4<f32>| match self.model.identity()? {
            Some(network) => network.features_of(image.view(), cancel),
            None => Ok(None),
        };
        let unedited = features(&generator.image(inversion.ws.view(), cancel)?)?;
        let effect = |direction: &Direction| {
            let edited = |strength| {
                let edit = Edit { direction: direction.name.clone(), strength };
                let ws = generator.apply_edits(&inversion.ws, &[edit], None)?;
                generator.image(ws.view(), cancel)
            };
            let (less, more) = (edited(-STRENGTH)?, edited(STRENGTH)?);
            let attribute = |image: &Array4<f32>| attribute(&self.model, image.view(), direction, cancel);
            let attributes = attribute(&less)?.zip(attribute(&more)?);
            let similarity = |image: &Array4<f32>| -> Result<Option<f64>> {
                Ok(features(image)?.zip(unedited.as_ref()).map(|(a, b)| metrics::cosine(&a, b)))
            };
            Ok(Effect {
                attribute_change: attributes.map(|(less, more)| (more - less) / f64::from(2.0 * STRENGTH)),
                identity: similarity(&less)?.zip(similarity(&more)?).map(|(a, b)| (a + b) / 2.0),
            })
        };
        directions.iter().map(effect).collect()
    }
}

/// The effect of a direction with one generator, see [`Editability`].
#[derive(Clone, Copy)]
struct Effect {
    attribute_change: Option<f64>,
    identity: Option<f64>,
}

/// Resizes an image to the resolution of the metrics, 256 px.
fn downsample(image: ArrayView4<'_, f32>) -> Array4<f32> {
    resize(image, metrics::RESOLUTION, metrics::RESOLUTION)
}

/// Mean of a sample, and the standard error of the mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// Mean.
    pub mean: f64,
    /// s/√n, where s² = Σ (x − mean)²/(n − 1). `None` for a single value.
    pub standard_error: Option<f64>,
    /// Number of values.
    pub n: usize,
}

impl Mean {
    /// Mean of the finite values; `None` if there are none.
    pub fn from_values(values: impl IntoIterator<Item = Option<f64>>) -> Option<Mean> {
        let values: Vec<f64> = values.into_iter().flatten().filter(|v| v.is_finite()).collect();
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n.max(2) - 1) as f64;
        Some(Mean { mean, standard_error: (n > 1).then(|| (variance / n as f64).sqrt()), n })
    }
}

impl std::fmt::Display for Mean {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.standard_error {
            Some(e) => write!(f, "{:.4} ± {e:.4}", self.mean),
            None => write!(f, "{:.4}", self.mean),
        }
    }
}

/// Peak memory of this process in MB since [`reset_peak_memory`]. Linux only.
pub fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kb| kb / 1024)
}

/// Resets the counter of [`peak_memory_mb`]. Linux only.
pub fn reset_peak_memory() {
    if let Err(e) = std::fs::write("/proc/self/clear_refs", "5") {
        log::debug!("peak memory could not be reset and counts from the start of the program: {e}");
    }
}

/// The attribute of `direction` in an image `[1,3,H,W]`, measured with the encoder: ⟨E(x) − w̄, d⟩/σ. `None` without an encoder.
fn attribute(
    model: &Model,
    image: ArrayView4<'_, f32>,
    direction: &Direction,
    cancel: &Cancel,
) -> Result<Option<f64>> {
    if model.bundle.manifest().encoder.is_none() {
        return Ok(None);
    }
    let ws = model.encode(image, cancel)?;
    let w_avg = model.bundle.w_avg()?;
    let mean = ws
        .mean_axis(ndarray::Axis(0))
        .ok_or_else(|| Error::Model("the encoder's output ws has no style layer".into()))?;
    let along = mean.iter().zip(&w_avg).zip(&direction.unit).map(|((w, m), d)| f64::from((w - m) * d));
    Ok(Some(along.sum::<f64>() / f64::from(direction.sigma)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_have_the_standard_error_of_the_sample() {
        let mean = Mean::from_values([Some(1.0), None, Some(2.0), Some(f64::NAN), Some(6.0)]).unwrap();
        // s² = ((−2)² + (−1)² + 3²)/2 = 7
        assert_eq!((mean.mean, mean.n), (3.0, 3));
        assert!((mean.standard_error.unwrap() - (7.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(Mean::from_values([Some(4.0)]).unwrap().standard_error, None);
        assert_eq!(Mean::from_values([None]), None);
    }
}

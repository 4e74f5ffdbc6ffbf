//! What tuning does to the rest of the generator: how far it drifts on other latents, and whether directions still edit
//! as they did before.

use crate::edit::{Direction, Edit, Generator};
use crate::inversion::Inversion;
use crate::metrics;
use crate::model::Model;
use crate::photo::resize;
use crate::runtime::Cancel;
use crate::{Error, Result};
use ndarray::{Array2, Array4, ArrayView4};
use serde::{Deserialize, Serialize};

/// Latents on which drift is measured, from seeds 0, 1, …
pub const LATENTS: u64 = 32;
/// Strength of the edits that are measured, in σ, to either side.
pub const STRENGTH: f32 = 2.0;

/// Mean distance of G(w, θ') from G(w, θ) over [`LATENTS`] latents w = f(z), at 256 px.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Mean squared error of values in `[-1,1]`.
    pub mse: f64,
    /// LPIPS, where the bundle has it.
    pub lpips: Option<f64>,
}

/// What a direction does at the inversion's latent with the generator as it was, and with its tuned weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Editability {
    /// Name of the direction.
    pub direction: String,
    /// How far the edited images' own attribute moves for each σ, before and after tuning. The attribute is what the
    /// encoder sees of the direction, ⟨E(x) − w̄, d⟩/σ: 1 for an edit that shows in full.
    pub moved: Option<[f64; 2]>,
    /// Identity kept by an edit of [`STRENGTH`] σ: mean ID to the unedited image, before and after tuning.
    pub identity: [Option<f64>; 2],
}

/// Measures tuned generators of one model.
pub struct GeneratorProbe {
    model: Model,
    untuned: Generator,
    /// Latents and the untuned generator's images of them, at 256 px.
    references: Vec<(Array2<f32>, Array4<f32>)>,
}

impl GeneratorProbe {
    /// Renders the references: [`LATENTS`] generator runs.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the model cannot sample latents.
    pub fn new(model: &Model, cancel: &Cancel) -> Result<GeneratorProbe> {
        let untuned = Generator::untuned(model)?;
        let reference = |seed| {
            let ws = model.sample(seed, 1.0, cancel)?;
            let image = small(untuned.image(ws.view(), cancel)?.view());
            Ok((ws, image))
        };
        let references = (0..LATENTS).map(reference).collect::<Result<_>>()?;
        Ok(GeneratorProbe { model: model.clone(), untuned, references })
    }

    /// How far `tuned` has drifted.
    pub fn drift(&self, tuned: &Generator, cancel: &Cancel) -> Result<Drift> {
        let (mut mse, mut lpips) = (0.0, Some(0.0));
        for (ws, reference) in &self.references {
            let image = tuned.image(ws.view(), cancel)?;
            let networks = metrics::Networks { lpips: self.model.lpips()?, identity: None };
            let found = metrics::measure(image.view(), reference.view(), &networks, cancel)?;
            mse += found.mse / LATENTS as f64;
            lpips = lpips.zip(found.lpips).map(|(sum, d)| sum + d / LATENTS as f64);
        }
        Ok(Drift { mse, lpips })
    }

    /// What the model's named directions do to `inversion`, with `tuned` made of it.
    pub fn editability(
        &self,
        tuned: &Generator,
        inversion: &Inversion,
        cancel: &Cancel,
    ) -> Result<Vec<Editability>> {
        let directions = &self.model.directions()?.named;
        let before = self.effects(&self.untuned, inversion, directions, cancel)?;
        // Methods that leave the weights alone leave the edits alone.
        let after = match inversion.changes.is_empty() {
            true => before.clone(),
            false => self.effects(tuned, inversion, directions, cancel)?,
        };
        let both = directions.iter().zip(before.into_iter().zip(after));
        Ok(both
            .map(|(direction, (before, after))| Editability {
                direction: direction.name.clone(),
                moved: before.moved.zip(after.moved).map(|(before, after)| [before, after]),
                identity: [before.identity, after.identity],
            })
            .collect())
    }

    /// What every direction does with one generator.
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
            let seen = |image: &Array4<f32>| attribute(&self.model, image.view(), direction, cancel);
            let ends = seen(&less)?.zip(seen(&more)?);
            let kept = |image: &Array4<f32>| -> Result<Option<f64>> {
                Ok(features(image)?.zip(unedited.as_ref()).map(|(a, b)| metrics::cosine(&a, b)))
            };
            Ok(Effect {
                moved: ends.map(|(less, more)| (more - less) / f64::from(2.0 * STRENGTH)),
                identity: kept(&less)?.zip(kept(&more)?).map(|(a, b)| (a + b) / 2.0),
            })
        };
        directions.iter().map(effect).collect()
    }
}

/// What a direction does with one generator, see [`Editability`].
#[derive(Clone, Copy)]
struct Effect {
    moved: Option<f64>,
    identity: Option<f64>,
}

fn small(image: ArrayView4<'_, f32>) -> Array4<f32> {
    resize(image, metrics::RESOLUTION, metrics::RESOLUTION)
}

/// Mean and standard error of the mean; nothing of nothing, and no error of one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// Mean.
    pub mean: f64,
    /// s/√n, s with n − 1.
    pub standard_error: Option<f64>,
    /// n.
    pub n: usize,
}

impl Mean {
    /// Of those values that there are.
    pub fn of(values: impl IntoIterator<Item = Option<f64>>) -> Option<Mean> {
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

/// The most memory that this process has held since [`reset_peak_memory`], in MB, where the system tells (Linux).
pub fn peak_memory_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kb| kb / 1024)
}

/// Lets [`peak_memory_mb`] count from now on, where the system can (Linux).
pub fn reset_peak_memory() {
    if let Err(e) = std::fs::write("/proc/self/clear_refs", "5") {
        log::debug!("peak memory counts from the start of the program: {e}");
    }
}

/// What the encoder sees of `direction` in an image `[1,3,H,W]`: ⟨E(x) − w̄, d⟩/σ. `None` without an encoder.
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
    let mean = ws.mean_axis(ndarray::Axis(0)).ok_or_else(|| Error::Model("ws has no layer".into()))?;
    let along = mean.iter().zip(&w_avg).zip(&direction.unit).map(|((w, m), d)| f64::from((w - m) * d));
    Ok(Some(along.sum::<f64>() / f64::from(direction.sigma)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_have_the_standard_error_of_the_sample() {
        let mean = Mean::of([Some(1.0), None, Some(2.0), Some(f64::NAN), Some(6.0)]).unwrap();
        // s² = ((−2)² + (−1)² + 3²)/2 = 7
        assert_eq!((mean.mean, mean.n), (3.0, 3));
        assert!((mean.standard_error.unwrap() - (7.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(Mean::of([Some(4.0)]).unwrap().standard_error, None);
        assert_eq!(Mean::of([None]), None);
    }
}

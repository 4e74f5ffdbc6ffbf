//! How w is distributed: its mean, its principal components and its spread along a direction, from samples.

use super::Direction;
use crate::runtime::{Cancel, Runtime};
use crate::{Error, Result};
use gani_onnx::read;
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::path::Path;

/// Samples of a mapping network: σ to about 1 %.
const SAMPLES: usize = 8192;
const BATCH: usize = 256;

/// Principal components that are kept, as GANSpace does.
const COMPONENTS: usize = 80;

/// Samples of w, `[n, 512]`.
pub(super) struct Samples {
    centred: Array2<f32>,
    pub mean: Array1<f32>,
}

impl Samples {
    /// From w's, one a row.
    pub fn new(mut w: Array2<f32>) -> Result<Samples> {
        let mean = w.mean_axis(Axis(0)).filter(|m| m.iter().all(|v| v.is_finite()));
        let mean = mean.ok_or_else(|| Error::Model("the samples of w are none, or not finite".into()))?;
        w -= &mean;
        Ok(Samples { centred: w, mean })
    }

    /// Runs the mapping network in `path`, `z` → `w`, on normal z of a fixed seed.
    pub fn of_mapping(path: &Path, runtime: &Runtime, cancel: &Cancel) -> Result<Samples> {
        let one = read::from_file(path, &[])?;
        let dims = one.input_shape("z")?.last().copied().unwrap_or(0);
        // Most mapping networks take a batch; one that was exported for a single z keeps to it.
        let (graph, batch) = match read::from_file(path, &[("z", &[BATCH, dims])]) {
            Ok(graph) if graph.output_shape("w")?.first() == Some(&BATCH) => (graph, BATCH),
            _ => (one, 1),
        };
        let mapping = runtime.compile("mapping", &graph)?;
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut rows = Vec::new();
        for _ in 0..SAMPLES / batch {
            let z: Array2<f32> =
                Array2::from_shape_simple_fn((batch, dims), || StandardNormal.sample(&mut rng));
            let w = mapping.run(&[("z", z.view().into_dyn())], cancel)?;
            rows.extend(w.into_iter().next().into_iter().flatten());
        }
        let count = SAMPLES / batch * batch;
        let w = Array2::from_shape_vec((count, rows.len() / count), rows);
        Samples::new(w.map_err(|e| Error::Model(format!("the mapping network: {e}")))?)
    }

    /// Principal components by falling σ; none where there are too few samples.
    pub fn components(&self) -> Vec<Direction> {
        let (n, dims) = self.centred.dim();
        if n < 2 * COMPONENTS {
            return vec![];
        }
        let covariance = self.centred.t().dot(&self.centred);
        let scale = 1.0 / (n - 1) as f64;
        let covariance = DMatrix::from_iterator(dims, dims, covariance.iter().map(|&v| f64::from(v) * scale));
        let eigen = SymmetricEigen::new(covariance);
        let mut order: Vec<usize> = (0..dims).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let component = |(k, &i): (usize, &usize)| Direction {
            name: format!("pca.{k}"),
            unit: eigen.eigenvectors.column(i).iter().map(|&v| v as f32).collect(),
            sigma: eigen.eigenvalues[i].max(0.0).sqrt() as f32,
        };
        order.iter().take(COMPONENTS).enumerate().map(component).collect()
    }

    /// Standard deviation of w along `unit`.
    pub fn sigma_of(&self, unit: &[f32]) -> f32 {
        let along = self.centred.dot(&ndarray::aview1(unit));
        (along.dot(&along) / along.len().max(1) as f32).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_find_the_axes_of_a_spread() {
        // σ = 3 along axis 2, 1 along axis 0, nothing elsewhere; mean 5.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let w = Array2::from_shape_fn((4000, 4), |(_, j)| {
            let z: f32 = StandardNormal.sample(&mut rng);
            5.0 + z * [1.0, 0.0, 3.0, 0.0][j]
        });
        let samples = Samples::new(w).unwrap();
        let found = samples.components();
        for (k, axis, sigma) in [(0, 2, 3.0), (1, 0, 1.0)] {
            assert!(found[k].unit[axis].abs() > 0.999 && (found[k].sigma / sigma - 1.0).abs() < 0.05);
        }
        assert!((samples.sigma_of(&[0.0, 0.0, 1.0, 0.0]) / 3.0 - 1.0).abs() < 0.05);
        assert!((samples.mean[1] - 5.0).abs() < 1e-3);
        assert!(Samples::new(Array2::zeros((0, 4))).is_err());
    }
}

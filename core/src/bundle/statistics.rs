//! The distribution of w, from samples: mean, principal components, standard deviation along a direction.

use super::Direction;
use crate::runtime::{Cancel, Runtime};
use crate::util::random::{normal, seeded};
use crate::{Error, Result};
use gani_onnx::read::{self, ReadOptions};
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use std::path::Path;

/// Number of samples of a mapping network. Gives σ to about 1 %.
const SAMPLES: usize = 8192;
const BATCH: usize = 256;

/// Number of principal components, as in GANSpace.
const COMPONENTS: usize = 80;

/// Samples of w, `[n, 512]`.
pub(super) struct Samples {
    /// Samples minus their mean.
    centered: Array2<f32>,
    pub mean: Array1<f32>,
}

impl Samples {
    /// `w` has one sample per row.
    pub fn new(mut w: Array2<f32>) -> Result<Samples> {
        let mean = w.mean_axis(Axis(0)).filter(|m| m.iter().all(|v| v.is_finite()));
        let mean = mean.ok_or_else(|| Error::Model("the samples of w are empty or not finite".into()))?;
        w -= &mean;
        Ok(Samples { centered: w, mean })
    }

    /// Runs the mapping network in `path`, `z` → `w`, on standard normal z from a fixed seed.
    pub fn from_mapping(path: &Path, runtime: &Runtime, cancel: &Cancel) -> Result<Samples> {
        let one = ReadOptions::new().batch(1).read(path)?;
        let dims = one.input_shape("z")?.last().copied().unwrap_or(0);
        // Most mapping networks accept a batch; some were exported with a fixed batch size of 1.
        let (graph, batch) = match read::from_file(path, &[("z", &[BATCH, dims])]) {
            Ok(graph) if graph.output_shape("w")?.first() == Some(&BATCH) => (graph, BATCH),
            _ => (one, 1),
        };
        let mapping = runtime.compile("mapping", &graph)?;
        let mut rng = seeded(0, 0);
        let mut rows = Vec::new();
        for _ in 0..SAMPLES / batch {
            let z = normal(&mut rng, batch * dims);
            let z = ArrayView2::from_shape((batch, dims), &z).map_err(|e| Error::Model(format!("z: {e}")))?;
            let w = mapping.run(&[("z", z.into_dyn())], cancel)?;
            rows.extend(w.into_iter().next().into_iter().flatten());
        }
        let count = SAMPLES / batch * batch;
        let w = Array2::from_shape_vec((count, rows.len() / count), rows);
        Samples::new(w.map_err(|e| Error::Model(format!("the mapping network: {e}")))?)
    }

    /// Principal components by decreasing σ; empty if there are too few samples.
    pub fn components(&self) -> Vec<Direction> {
        let (n, dims) = self.centered.dim();
        if n < 2 * COMPONENTS {
            return vec![];
        }
        let covariance = self.centered.t().dot(&self.centered);
        let scale = 1.0 / (n - 1) as f64;
        let covariance = DMatrix::from_iterator(dims, dims, covariance.iter().map(|&v| f64::from(v) * scale));
        let eigen = SymmetricEigen::new(covariance);
        let mut order: Vec<usize> = (0..dims).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let component = |(k, &i): (usize, &usize)| {
            let unit = eigen.eigenvectors.column(i).iter().map(|&v| v as f32).collect();
            Direction::new(format!("pca.{k}"), unit, eigen.eigenvalues[i].max(0.0).sqrt() as f32)
        };
        order.iter().take(COMPONENTS).enumerate().map(component).collect()
    }

    /// Standard deviation of w along `unit`.
    pub fn sigma_of(&self, unit: &[f32]) -> f32 {
        let along = self.centered.dot(&ndarray::aview1(unit));
        (along.dot(&along) / along.len().max(1) as f32).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_the_axes_of_the_distribution() {
        // σ is 3 along axis 2, 1 along axis 0, and 0 along the other axes; the mean is 5.
        let z = normal(&mut seeded(1, 0), 4000 * 4);
        let w = Array2::from_shape_fn((4000, 4), |(i, j)| 5.0 + z[4 * i + j] * [1.0, 0.0, 3.0, 0.0][j]);
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

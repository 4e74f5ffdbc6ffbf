//! Editing directions of a bundle: named attributes, and principal components of W.

mod info;
mod read;

pub use info::{DirectionInfo, Unit, style_resolutions};

use crate::util::files::write_whole;
use crate::{Error, Result};
use gani_onnx::{Builder, Graph};
use ndarray::{Array1, Array2, ArrayView, ArrayView1, ArrayView2, arr0, aview1};
use ndarray_npy::NpzWriter;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

/// A direction in W: a unit vector, and the standard deviation of w along it.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction {
    /// `smile`, `pca.3`, `sefa.0`.
    pub name: String,
    /// Unit vector `[512]`, or `[n, 512]`: one vector for each style layer, with a mean square length of 1.
    pub unit: Vec<f32>,
    /// n: the number of vectors in `unit`; 1: the same vector for all style layers.
    pub layers: usize,
    /// Standard deviation of w along it.
    pub sigma: f32,
    /// Unit, range and style layers.
    pub info: DirectionInfo,
    /// How the effect differs between faces; `None`: not known.
    pub gain: Option<Gain>,
}

/// The effect of a direction on a face with the latent w, relative to the mean effect: bias + ⟨slope, w⟩.
#[derive(Clone, Debug, PartialEq)]
pub struct Gain {
    /// `[512]`.
    pub slope: Vec<f32>,
    /// Value at w = 0.
    pub bias: f32,
}

impl Gain {
    /// The gain at w, within the limits of what was measured.
    pub fn at(&self, w: impl Iterator<Item = f32>) -> f32 {
        (self.bias + w.zip(&self.slope).map(|(w, s)| w * s).sum::<f32>()).clamp(0.6, 1.6)
    }
}

impl Direction {
    /// A direction in all style layers, with strengths in standard deviations of w.
    pub fn new(name: impl Into<String>, unit: Vec<f32>, sigma: f32) -> Direction {
        Direction { name: name.into(), unit, layers: 1, sigma, info: DirectionInfo::default(), gain: None }
    }

    /// A direction with a vector for each style layer, or one that is the same in all layers.
    ///
    /// `rows` `[n, 512]` are normalized: equal rows to one unit vector, others to a mean square length of 1.
    ///
    /// # Errors
    /// [`Error::Input`] if the direction is zero or not finite.
    pub fn from_rows(name: impl Into<String>, rows: ArrayView2<'_, f32>, sigma: f32) -> Result<Direction> {
        let name = name.into();
        let norm = (rows.iter().map(|v| v * v).sum::<f32>() / rows.nrows().max(1) as f32).sqrt();
        if !norm.is_finite() || norm == 0.0 {
            return Err(Error::Input(format!("the direction {} is zero or not finite", name.escape_debug())));
        }
        let is_first =
            |row: ArrayView1<'_, f32>| row.iter().zip(rows.row(0)).all(|(a, b)| (a - b).abs() <= 1e-4 * norm);
        let layers = if rows.rows().into_iter().all(is_first) { 1 } else { rows.nrows() };
        let unit = rows.rows().into_iter().take(layers).flatten().map(|v| v / norm).collect();
        Ok(Direction { layers, ..Direction::new(name, unit, sigma) })
    }

    /// The vector of a style layer, `[512]`.
    pub fn layer(&self, layer: usize) -> &[f32] {
        let dims = self.dims();
        let layer = if self.layers == 1 { 0 } else { layer };
        self.unit.get(layer * dims..(layer + 1) * dims).unwrap_or_default()
    }

    /// Length of w: 512.
    pub fn dims(&self) -> usize {
        self.unit.len() / self.layers.max(1)
    }

    /// The mean of the layers' vectors, as a unit vector `[512]`; zero if they cancel.
    pub(super) fn mean_unit(&self) -> Vec<f32> {
        let dims = self.dims();
        let mut mean = vec![0.0; dims];
        self.unit.chunks(dims.max(1)).for_each(|row| mean.iter_mut().zip(row).for_each(|(m, v)| *m += v));
        let norm = mean.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        mean.iter().map(|v| v / norm).collect()
    }

    /// Length of the step in W that a strength of 1 makes.
    pub fn step(&self) -> f32 {
        self.info.step.unwrap_or(self.sigma)
    }
}

/// The directions of a bundle.
#[derive(Clone, Debug, Default)]
pub struct Directions {
    /// Named attributes: smile, age, …
    pub named: Vec<Direction>,
    /// Principal components of W by decreasing σ, `pca.0` first.
    pub pca: Vec<Direction>,
}

impl Directions {
    /// Reads an `.npz` with `dir_NAME` `[512]` or `[n, 512]` and `std_NAME`, `pca_components` `[k, 512]` and `pca_std` `[k]`.
    /// Optional arrays: `gain_NAME` `[513]`, slope and bias of a [`Gain`]; `info`, the UTF-8 text of a JSON object of
    /// [`DirectionInfo`] by name; `w_mean`, the mean of w, which is not read here.
    ///
    /// A file without these names is a plain `numpy.savez(path, smile=…, age=…)`: each array is a direction, in units of w.
    ///
    /// # Errors
    /// [`Error::Model`] for a missing array, a wrong shape, or an array that is not understood; [`Error::Limits`]; [`Error::Io`].
    pub fn read(path: &Path) -> Result<Directions> {
        Ok(read::read(path)?.0)
    }

    /// As [`Directions::read`]; also returns whether the file is a plain one, whose directions have no σ.
    pub(super) fn read_any(path: &Path) -> Result<(Directions, bool)> {
        read::read(path)
    }

    /// The direction called `name`.
    ///
    /// # Errors
    /// [`Error::Input`] with similar names.
    pub fn get(&self, name: &str) -> Result<&Direction> {
        let found = self.named.iter().chain(&self.pca).find(|d| d.name == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = self.named.iter().map(|d| &*d.name).chain(["pca.0"]).collect();
            unknown_direction(name, &known)
        })
    }

    /// Writes an `.npz` for [`Directions::read`], completely or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed =
            |e: &dyn std::fmt::Display| Error::io("writing", path)(std::io::Error::other(e.to_string()));
        let mut npz = NpzWriter::new(Cursor::new(Vec::new()));
        for d in &self.named {
            let shape = if d.layers == 1 { vec![d.unit.len()] } else { vec![d.layers, d.dims()] };
            let unit = ArrayView::from_shape(shape, &d.unit).map_err(|e| failed(&e))?;
            npz.add_array(format!("dir_{}", d.name), &unit).map_err(|e| failed(&e))?;
            npz.add_array(format!("std_{}", d.name), &arr0(d.sigma)).map_err(|e| failed(&e))?;
            if let Some(Gain { slope, bias }) = &d.gain {
                let values: Array1<f32> = slope.iter().chain([bias]).copied().collect();
                npz.add_array(format!("gain_{}", d.name), &values).map_err(|e| failed(&e))?;
            }
        }
        let info: BTreeMap<&str, &DirectionInfo> = self.named.iter().map(|d| (&*d.name, &d.info)).collect();
        if info.values().any(|info| **info != DirectionInfo::default()) {
            let text = serde_json::to_vec(&info).map_err(|e| failed(&e))?;
            npz.add_array("info", &aview1(&text)).map_err(|e| failed(&e))?;
        }
        if let Some(first) = self.pca.first() {
            let units: Vec<f32> = self.pca.iter().flat_map(|d| d.unit.iter().copied()).collect();
            let units =
                Array2::from_shape_vec((self.pca.len(), first.unit.len()), units).map_err(|e| failed(&e))?;
            let sigmas: Array1<f32> = self.pca.iter().map(|d| d.sigma).collect();
            npz.add_array("pca_components", &units).map_err(|e| failed(&e))?;
            npz.add_array("pca_std", &sigmas).map_err(|e| failed(&e))?;
        }
        let bytes = npz.finish().map_err(|e| failed(&e))?.into_inner();
        write_whole(path, |w| w.write_all(&bytes))
    }

    /// A substitute for a mapping network: `z` `[1, k]` → `w` = w̄ + Σ z_k σ_k c_k. It reproduces the distribution of w if that is
    /// normal. `None` without principal components.
    pub(super) fn sampler(&self, w_avg: &Array1<f32>) -> Result<Option<Graph>> {
        if self.pca.is_empty() {
            return Ok(None);
        }
        let b = Builder::new();
        let rows: Vec<f32> = self.pca.iter().flat_map(|d| d.unit.iter().map(|v| v * d.sigma)).collect();
        let components = b.values(&[self.pca.len(), w_avg.len()], &rows);
        let mean = b.values(&[1, w_avg.len()], &w_avg.to_vec());
        b.output("w", b.input("z", &[1, self.pca.len()]).gemm(components, false, false) + mean);
        Ok(Some(b.finish()?))
    }

    /// Standard deviation of w along `unit` `[512]`, from the principal components: √Σ (σ_k ⟨unit, c_k⟩)².
    pub fn sigma_of(&self, unit: &[f32]) -> f32 {
        let along = |d: &Direction| d.sigma * d.unit.iter().zip(unit).map(|(a, b)| a * b).sum::<f32>();
        self.pca.iter().map(|d| along(d).powi(2)).sum::<f32>().sqrt()
    }
}

/// The error for an unknown direction. Suggests a similar name.
fn unknown_direction(name: &str, known: &[&str]) -> Error {
    let mut similar: Vec<_> =
        known.iter().map(|k| (distance(name, k), *k)).filter(|(d, k)| *d <= 1 + k.len() / 3).collect();
    similar.sort();
    let hint = match similar.first() {
        Some((_, k)) => format!("did you mean `{k}`? "),
        None => String::new(),
    };
    Error::Input(format!(
        "unknown direction `{name}`; {hint}the directions are {}, pca.0 … and sefa.0 …",
        known.join(", ")
    ))
}

/// Levenshtein distance of two names.
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
    fn an_unknown_direction_suggests_a_similar_one() {
        let text = unknown_direction("smle", &["age", "smile", "yaw"]).to_string();
        assert!(text.contains("did you mean `smile`"), "{text}");
    }
}

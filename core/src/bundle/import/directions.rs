//! Editing directions of a new bundle: InterFaceGAN's vectors, GANSpace's components, or the `.npz` of another bundle.

use super::importer::{Importer, LatentSpace, OnFile};
use crate::bundle::Direction;
use crate::bundle::Directions;
use crate::{Error, Result};
use gani_onnx::Tensor;
use gani_onnx::checkpoint::Checkpoint;
use ndarray::ArrayD;
use std::path::Path;

impl Importer<'_> {
    /// Adds the directions, and the principal components of w if it can be sampled.
    pub(super) fn add_directions(&mut self, w: &LatentSpace, on_file: OnFile<'_>) -> Result<()> {
        let pca = w.samples.as_ref().map(|s| s.components()).unwrap_or_default();
        let mut all = Directions { named: vec![], pca };
        let mut units = vec![];
        for (name, path) in &self.options.directions {
            let role = format!("direction {name}");
            on_file(&role, path);
            let text = match read(path, w.mean.len())? {
                FileContent::Unit(unit) => {
                    units.push((name.clone(), unit));
                    "a direction in W"
                }
                FileContent::Components(pca) => {
                    all.pca = pca;
                    "principal components of GANSpace: pca.0, pca.1, …"
                }
                FileContent::Directions(more) => {
                    all.named.extend(more.named);
                    if !more.pca.is_empty() {
                        all.pca = more.pca;
                    }
                    "directions of a bundle"
                }
            };
            self.record_source(&role, path, text)?;
        }
        // After all files are read: without samples, σ comes from the principal components of one of them.
        for (name, unit) in units {
            let sigma = self.sigma(&name, &unit, w, &all);
            all.named.push(Direction::new(name, unit, sigma));
        }
        if let Some(wrong) = all.named.iter().chain(&all.pca).find(|d| d.unit.len() != w.mean.len()) {
            return Err(Error::Input(format!(
                "the direction {} has {} elements, but w has {}: it was made for another generator",
                wrong.name,
                wrong.unit.len(),
                w.mean.len()
            )));
        }
        if all.named.is_empty() {
            let others = if all.pca.is_empty() { "sefa.K" } else { "pca.K and sefa.K" };
            self.record_missing(
                "named directions",
                &format!("only {others} can be edited; import directions to add more"),
            );
        }
        if !(all.named.is_empty() && all.pca.is_empty()) {
            all.write(&self.folder.join("directions.npz"))?;
            self.manifest.directions = Some("directions.npz".into());
        }
        Ok(())
    }

    /// Standard deviation of w along `unit`; 1 if the distribution of w is unknown.
    fn sigma(&mut self, name: &str, unit: &[f32], w: &LatentSpace, all: &Directions) -> f32 {
        let sigma = match &w.samples {
            Some(samples) => samples.sigma_of(unit),
            None => all.sigma_of(unit),
        };
        if sigma.is_finite() && sigma > 0.0 {
            return sigma;
        }
        self.record_missing(
            &format!("σ of {name}"),
            "the distribution of w is unknown, so strengths are in units of w",
        );
        1.0
    }
}

/// The content of a file of directions.
enum FileContent {
    /// One unit vector.
    Unit(Vec<f32>),
    /// GANSpace's principal components with their σ.
    Components(Vec<Direction>),
    /// The directions of a bundle.
    Directions(Directions),
}

fn read(path: &Path, w_dim: usize) -> Result<FileContent> {
    let has_extension = |extension: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension));
    if has_extension("npz") {
        return Ok(FileContent::Directions(Directions::read(path)?));
    }
    if has_extension("npy") {
        let (shape, values) = read_npy(path)?;
        return unit(path, &shape, values, w_dim).map(FileContent::Unit);
    }
    let file = Checkpoint::read(path)?;
    if let (Some(mean), Some(comp), Some(std)) =
        (file.unscoped("mean"), file.unscoped("comp"), file.unscoped("std"))
    {
        return components(path, [mean, comp, std], w_dim).map(FileContent::Components);
    }
    let tensors: Vec<&str> = file.keys().collect();
    let [only] = tensors[..] else {
        return Err(Error::Input(format!(
            "{}: expected one tensor, or GANSpace's mean, comp and std; the file has {} tensors",
            path.display(),
            tensors.len()
        )));
    };
    let tensor = file.get(only)?;
    unit(path, tensor.shape(), floats(path, tensor)?, w_dim).map(FileContent::Unit)
}

/// Normalizes a direction of shape `[512]`, `[1, 512]`, or with one row per style layer. All rows must be equal.
fn unit(path: &Path, shape: &[usize], values: Vec<f32>, w_dim: usize) -> Result<Vec<f32>> {
    let bad = |why: String| Err(Error::Input(format!("{}: {why}", path.display())));
    if shape.last() != Some(&w_dim) {
        return bad(format!(
            "the direction has the shape {shape:?}, but w has {w_dim} elements: it was made for another generator"
        ));
    }
    let first = &values[..w_dim];
    let norm = first.iter().map(|v| v * v).sum::<f32>().sqrt();
    if !norm.is_finite() || norm == 0.0 {
        return bad("the direction is zero or not finite".into());
    }
    let equals_first = |row: &[f32]| row.iter().zip(first).all(|(a, b)| (a - b).abs() <= 1e-4 * norm);
    if !values.chunks(w_dim).all(equals_first) {
        return bad("the direction differs between style layers; gani uses one vector for all layers".into());
    }
    Ok(first.iter().map(|v| v / norm).collect())
}

/// GANSpace's components: comp `[k, 1, 512]`, std `[k]`, mean `[1, 512]`. Strengths are relative, so only the mean's length is used.
fn components(path: &Path, [mean, comp, std]: [&Tensor; 3], w_dim: usize) -> Result<Vec<Direction>> {
    let k = std.len();
    if mean.len() != w_dim || comp.len() != k * w_dim {
        return Err(Error::Input(format!(
            "{}: the GANSpace components have the shape {:?} and their mean {:?}, but w has {w_dim} elements",
            path.display(),
            comp.shape(),
            mean.shape()
        )));
    }
    let (comp, std) = (floats(path, comp)?, floats(path, std)?);
    let component = |(i, (row, sigma)): (usize, (&[f32], f32))| {
        let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        if (norm - 1.0).abs() > 0.01 {
            return Err(Error::Input(format!(
                "{}: component {i} has the length {norm}, not 1: these are not GANSpace components",
                path.display()
            )));
        }
        let unit = unit(path, &[w_dim], row.to_vec(), w_dim)?;
        Ok(Direction::new(format!("pca.{i}"), unit, sigma))
    };
    comp.chunks(w_dim).zip(std).enumerate().map(component).collect()
}

fn floats(path: &Path, tensor: &Tensor) -> Result<Vec<f32>> {
    let values = tensor.as_f32().map(<[f32]>::to_vec);
    values.ok_or_else(|| {
        Error::Input(format!(
            "{}: the file has integers, but a direction has floating-point numbers",
            path.display()
        ))
    })
}

/// An `.npy` of f32 or f64.
fn read_npy(path: &Path) -> Result<(Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(path).map_err(Error::io("reading", path))?;
    let f32s = ndarray_npy::ReadNpyExt::read_npy(&bytes[..]);
    let array: ArrayD<f32> = match f32s {
        Ok(array) => array,
        Err(e) => {
            let f64s: ArrayD<f64> = ndarray_npy::ReadNpyExt::read_npy(&bytes[..]).map_err(|_| {
                Error::Input(format!("{}: not an .npy file of f32 or f64 ({e})", path.display()))
            })?;
            // InterFaceGAN's boundaries for StyleGAN1 and PGGAN are f64.
            log::warn!(
                "{}: the numbers are f64, as in InterFaceGAN's boundaries for StyleGAN1 and PGGAN, which do not work with StyleGAN2",
                path.display()
            );
            f64s.mapv(|v| v as f32)
        }
    };
    Ok((array.shape().to_vec(), array.iter().copied().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
        Tensor::f32(shape, values.to_vec()).unwrap()
    }

    #[test]
    fn a_direction_is_one_unit_vector_for_all_layers() {
        let path = Path::new("pose.pt");
        let good = unit(path, &[1, 2, 2], vec![3.0, 4.0, 3.0, 4.0], 2).unwrap();
        assert_eq!(good, [0.6, 0.8]);
        for (shape, values, expected) in [
            (&[1, 2, 2][..], vec![3.0, 4.0, 4.0, 3.0], "differs between style layers"),
            (&[1, 4], vec![1.0; 4], "made for another generator"),
            (&[1, 2], vec![0.0; 2], "is zero"),
            (&[1, 2], vec![f32::NAN, 1.0], "not finite"),
        ] {
            let text = unit(path, shape, values, 2).unwrap_err().to_string();
            assert!(text.contains(expected) && text.contains("pose.pt"), "{text}");
        }
    }

    #[test]
    fn ganspace_components_keep_their_sigma() {
        let path = Path::new("cars_pca.pt");
        let (mean, std) = (tensor(&[1, 2], &[0.0; 2]), tensor(&[2], &[3.0, 0.5]));
        let comp = tensor(&[2, 1, 2], &[0.6, 0.8, -0.8, 0.6]);
        let found = components(path, [&mean, &comp, &std], 2).unwrap();
        assert_eq!((found[0].name.as_str(), found[1].sigma), ("pca.0", 0.5));
        assert_eq!(found[1].unit, [-0.8, 0.6]);
        // The numbers in storage order, that is, with the tensor's strides ignored.
        let wrong = tensor(&[2, 1, 2], &[0.6, -0.8, 0.8, 0.8]);
        let text = components(path, [&mean, &wrong, &std], 2).unwrap_err().to_string();
        assert!(text.contains("component 1 has the length"), "{text}");
        assert!(components(path, [&mean, &comp, &std], 3).is_err());
    }
}

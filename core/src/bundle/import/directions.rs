//! Editing directions of a new bundle: InterFaceGAN's vectors, GANSpace's components, the `.npz` of another bundle.

use super::work::{Latents, Work};
use crate::bundle::Directions;
use crate::edit::Direction;
use crate::{Error, Result};
use gani_onnx::Tensor;
use gani_onnx::checkpoint::Checkpoint;
use ndarray::ArrayD;
use std::path::Path;

impl Work<'_> {
    /// Writes the directions, with the principal components of w where it can be sampled.
    pub(super) fn directions(&mut self, w: &Latents, watch: &mut dyn FnMut(&str, &Path)) -> Result<()> {
        let mut all =
            Directions { named: vec![], pca: w.samples.as_ref().map(|s| s.components()).unwrap_or_default() };
        let mut units = vec![];
        for (name, path) in &self.options.directions {
            let role = format!("direction {name}");
            watch(&role, path);
            let text = match read(path, w.mean.len())? {
                Read::Unit(unit) => {
                    units.push((name.clone(), unit));
                    "a direction in W"
                }
                Read::Components(pca) => {
                    all.pca = pca;
                    "principal components of GANSpace: pca.0, pca.1, …"
                }
                Read::Several(more) => {
                    all.named.extend(more.named);
                    if !more.pca.is_empty() {
                        all.pca = more.pca;
                    }
                    "directions of a bundle"
                }
            };
            self.read(&role, path, text)?;
        }
        for (name, unit) in units {
            let sigma = match &w.samples {
                Some(samples) => samples.sigma_of(&unit),
                None => all.sigma_of(&unit),
            };
            let known = sigma.is_finite() && sigma > 0.0;
            if !known {
                self.missing(
                    &format!("σ of {name}"),
                    "nothing is known of w's spread: its strengths are in units of w",
                );
            }
            all.named.push(Direction { name, unit, sigma: if known { sigma } else { 1.0 } });
        }
        if let Some(wrong) = all.named.iter().chain(&all.pca).find(|d| d.unit.len() != w.mean.len()) {
            return Err(Error::Input(format!(
                "the direction {} has {} numbers, w has {}: it is of another generator",
                wrong.name,
                wrong.unit.len(),
                w.mean.len()
            )));
        }
        if all.named.is_empty() {
            let others = if all.pca.is_empty() { "sefa.K" } else { "pca.K and sefa.K" };
            self.missing(
                "named directions",
                &format!("edits go along {others}; --direction NAME=F adds one"),
            );
        }
        if !(all.named.is_empty() && all.pca.is_empty()) {
            all.write(&self.folder.join("directions.npz"))?;
            self.manifest.directions = Some("directions.npz".into());
        }
        Ok(())
    }
}

/// What a file of directions holds.
enum Read {
    /// One unit vector.
    Unit(Vec<f32>),
    /// GANSpace's principal components with their σ.
    Components(Vec<Direction>),
    /// A whole `.npz`.
    Several(Directions),
}

fn read(path: &Path, width: usize) -> Result<Read> {
    let ends = |end: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(end));
    if ends("npz") {
        return Ok(Read::Several(Directions::read(path)?));
    }
    if ends("npy") {
        let (shape, values) = read_npy(path)?;
        return unit(path, &shape, values, width).map(Read::Unit);
    }
    let file = Checkpoint::read(path)?;
    if let (Some(mean), Some(comp), Some(std)) =
        (file.unscoped("mean"), file.unscoped("comp"), file.unscoped("std"))
    {
        return components(path, [mean, comp, std], width).map(Read::Components);
    }
    let tensors: Vec<&str> = file.keys().collect();
    let [only] = tensors[..] else {
        return Err(Error::Input(format!(
            "{}: a direction is one tensor, or GANSpace's mean, comp and std; this file holds {} tensors",
            path.display(),
            tensors.len()
        )));
    };
    let tensor = file.get(only)?;
    unit(path, tensor.shape(), floats(path, tensor)?, width).map(Read::Unit)
}

/// `[512]`, `[1, 512]`, or a row per style layer, all alike.
fn unit(path: &Path, shape: &[usize], values: Vec<f32>, width: usize) -> Result<Vec<f32>> {
    let bad = |why: String| Err(Error::Input(format!("{}: {why}", path.display())));
    if shape.last() != Some(&width) {
        return bad(format!(
            "a direction of shape {shape:?}; w has {width} numbers here: it is of another generator"
        ));
    }
    let first = &values[..width];
    let norm = first.iter().map(|v| v * v).sum::<f32>().sqrt();
    if !norm.is_finite() || norm == 0.0 {
        return bad("the direction is zero, or not finite".into());
    }
    let same = |row: &[f32]| row.iter().zip(first).all(|(a, b)| (a - b).abs() <= 1e-4 * norm);
    if !values.chunks(width).all(same) {
        return bad(
            "the direction differs from style layer to style layer; gani's are one vector for all".into()
        );
    }
    Ok(first.iter().map(|v| v / norm).collect())
}

/// comp `[k, 1, 512]`, std `[k]`, mean `[1, 512]`, which is not needed: strengths are relative here.
fn components(path: &Path, [mean, comp, std]: [&Tensor; 3], width: usize) -> Result<Vec<Direction>> {
    let k = std.len();
    if mean.len() != width || comp.len() != k * width {
        return Err(Error::Input(format!(
            "{}: GANSpace components of shape {:?} with a mean of {:?}; w has {width} numbers here",
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
                "{}: component {i} has the length {norm}, not 1: these are no components of GANSpace",
                path.display()
            )));
        }
        let unit = unit(path, &[width], row.to_vec(), width)?;
        Ok(Direction { name: format!("pca.{i}"), unit, sigma })
    };
    comp.chunks(width).zip(std).enumerate().map(component).collect()
}

fn floats(path: &Path, tensor: &Tensor) -> Result<Vec<f32>> {
    let values = tensor.as_f32().map(<[f32]>::to_vec);
    values
        .ok_or_else(|| Error::Input(format!("{}: holds integers, a direction is of floats", path.display())))
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
            // InterFaceGAN's own boundaries, which are of StyleGAN1 and PGGAN, are f64.
            log::warn!(
                "{}: f64 numbers, as in InterFaceGAN's boundaries for StyleGAN1 and PGGAN; those do nothing useful in StyleGAN2",
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
            (&[1, 2, 2][..], vec![3.0, 4.0, 4.0, 3.0], "from style layer to style layer"),
            (&[1, 4], vec![1.0; 4], "of another generator"),
            (&[1, 2], vec![0.0; 2], "is zero"),
            (&[1, 2], vec![f32::NAN, 1.0], "not finite"),
        ] {
            let text = unit(path, shape, values, 2).unwrap_err().to_string();
            assert!(text.contains(expected) && text.contains("pose.pt"), "{text}");
        }
    }

    #[test]
    fn components_of_ganspace_keep_their_spread() {
        let path = Path::new("cars_pca.pt");
        let (mean, std) = (tensor(&[1, 2], &[0.0; 2]), tensor(&[2], &[3.0, 0.5]));
        let comp = tensor(&[2, 1, 2], &[0.6, 0.8, -0.8, 0.6]);
        let found = components(path, [&mean, &comp, &std], 2).unwrap();
        assert_eq!((found[0].name.as_str(), found[1].sigma), ("pca.0", 0.5));
        assert_eq!(found[1].unit, [-0.8, 0.6]);
        // What one gets who reads the numbers in the order of the file.
        let wrong = tensor(&[2, 1, 2], &[0.6, -0.8, 0.8, 0.8]);
        let text = components(path, [&mean, &wrong, &std], 2).unwrap_err().to_string();
        assert!(text.contains("component 1 has the length"), "{text}");
        assert!(components(path, [&mean, &comp, &std], 3).is_err());
    }
}

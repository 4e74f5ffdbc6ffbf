//! Editing directions of a new bundle: InterFaceGAN's vectors, GANSpace's components, or the `.npz` of another bundle.

use super::importer::{Importer, LatentSpace, OnFile};
use crate::bundle::Direction;
use crate::bundle::Directions;
use crate::util::npy::NpyArray;
use crate::{Error, Result};
use gani_onnx::Tensor;
use gani_onnx::checkpoint::Checkpoint;
use ndarray::ArrayView2;
use std::path::Path;

impl Importer<'_> {
    /// Adds the directions, and the principal components of w if it can be sampled.
    pub(super) fn add_directions(&mut self, w: &LatentSpace, on_file: OnFile<'_>) -> Result<()> {
        let pca = w.samples.as_ref().map(|s| s.components()).unwrap_or_default();
        let mut all = Directions { named: vec![], pca };
        // Directions without σ.
        let mut units: Vec<Direction> = vec![];
        for (name, path) in &self.options.directions {
            let role = format!("direction {name}");
            on_file(&role, path);
            let text = match read(path, w.mean.len())? {
                FileContent::Unit(unit) => {
                    units.push(Direction { name: name.clone(), ..unit });
                    "a direction in W"
                }
                FileContent::Units(more) => {
                    units.extend(more);
                    "directions by name"
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
        for direction in units {
            let sigma = match direction.dims() == w.mean.len() {
                true => self.sigma(&direction.name, &direction.mean_unit(), w, &all),
                false => 1.0,
            };
            all.named.push(Direction { sigma, ..direction });
        }
        let num_ws = w.shape[0];
        let fits = |d: &Direction| d.dims() == w.mean.len() && [1, num_ws].contains(&d.layers);
        if let Some(wrong) = all.named.iter().chain(&all.pca).find(|d| !fits(d)) {
            return Err(Error::Input(format!(
                "the direction {} has {} × {} elements, but w has {num_ws} × {}: it was made for another generator",
                wrong.name.escape_debug(),
                wrong.layers,
                wrong.dims(),
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
    Unit(Direction),
    /// Several, by name.
    Units(Vec<Direction>),
    /// GANSpace's principal components with their σ.
    Components(Vec<Direction>),
    /// The directions of a bundle.
    Directions(Directions),
}

fn read(path: &Path, w_dim: usize) -> Result<FileContent> {
    let has_extension = |extension: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension));
    if has_extension("npz") {
        let (all, is_plain) = Directions::read_any(path)?;
        return Ok(if is_plain { FileContent::Units(all.named) } else { FileContent::Directions(all) });
    }
    if has_extension("npy") {
        let array = NpyArray::read(path)?;
        if array.element == "f8" {
            // InterFaceGAN's boundaries for StyleGAN1 and PGGAN are f64.
            log::warn!(
                "{}: the numbers are f64, as in InterFaceGAN's boundaries for StyleGAN1 and PGGAN, which do not work with StyleGAN2",
                path.display()
            );
        }
        let shape = array.values.shape().to_vec();
        return unit(path, &shape, array.values.iter().copied().collect(), w_dim).map(FileContent::Unit);
    }
    let file = Checkpoint::read(path)?;
    if let (Some(mean), Some(comp), Some(std)) =
        (file.unscoped("mean"), file.unscoped("comp"), file.unscoped("std"))
    {
        return components(path, [mean, comp, std], w_dim).map(FileContent::Components);
    }
    if let Some(array) = file.arrays().first() {
        return Err(Error::Input(format!(
            "{}: `{}` is a NumPy array in a pickle, which is not read; save the arrays with numpy.savez(path, **arrays), or tensors with \
             torch.save",
            path.display(),
            array.escape_debug()
        )));
    }
    if file.keys().next().is_none() {
        return Err(Error::Input(format!("{}: it contains no tensors, so no directions", path.display())));
    }
    // A single tensor, or a dict of them: `torch.save({"smile": …, "age": …}, path)`.
    let tensors: Vec<&str> = file.keys().collect();
    if let [only] = tensors[..] {
        let tensor = file.get(only)?;
        return unit(path, tensor.shape(), floats(path, tensor)?, w_dim).map(FileContent::Unit);
    }
    let direction = |key: &&str| {
        let tensor = file.get(key)?;
        let found = unit(path, tensor.shape(), floats(path, tensor)?, w_dim)?;
        Ok(Direction { name: (*key).into(), ..found })
    };
    let named = tensors.iter().map(direction).collect::<Result<Vec<_>>>()?;
    Ok(FileContent::Units(named))
}

/// Normalizes a direction of shape `[512]`, `[1, 512]`, or with one row per style layer. Its name is set by the caller.
fn unit(path: &Path, shape: &[usize], values: Vec<f32>, w_dim: usize) -> Result<Direction> {
    let bad = |why: String| Error::Input(format!("{}: {why}", path.display()));
    if shape.last() != Some(&w_dim) {
        return Err(bad(format!(
            "the direction has the shape {shape:?}, but w has {w_dim} elements: it was made for another generator"
        )));
    }
    let rows = ArrayView2::from_shape((values.len() / w_dim.max(1), w_dim), &values)
        .map_err(|e| bad(e.to_string()))?;
    Direction::from_rows("", rows, 1.0).map_err(|e| bad(e.to_string()))
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
        Ok(Direction { name: format!("pca.{i}"), sigma, ..unit })
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
        assert_eq!((good.layers, &good.unit[..]), (1, &[0.6, 0.8][..]));
        let layered = unit(path, &[1, 2, 2], vec![3.0, 4.0, 4.0, 3.0], 2).unwrap();
        assert_eq!((layered.layers, layered.layer(1)), (2, &[0.8, 0.6][..]));
        for (shape, values, expected) in [
            (&[1, 4][..], vec![1.0; 4], "made for another generator"),
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

//! Editing directions of a bundle: named ones and principal components of W.

use crate::edit::Direction;
use crate::{Error, Result};
use gani_onnx::{Builder, Graph};
use ndarray::{Array0, Array1, Array2, arr0, aview1};
use ndarray_npy::{NpzReader, NpzWriter};
use std::fs::File;
use std::path::Path;

/// The directions of a bundle.
#[derive(Clone, Debug, Default)]
pub struct Directions {
    /// Named attributes: smile, age, …
    pub named: Vec<Direction>,
    /// Principal components of W, `pca.0` first, by falling σ.
    pub pca: Vec<Direction>,
}

impl Directions {
    /// Reads an `.npz` with `dir_NAME` `[512]` and `std_NAME`, `pca_components` `[k, 512]` and `pca_std` `[k]`.
    ///
    /// # Errors
    /// [`Error::Model`] where an array is missing or misshaped; [`Error::Io`] where the file cannot be opened.
    pub fn read(path: &Path) -> Result<Directions> {
        let bad = |what: &str, e: &dyn std::fmt::Display| {
            Error::Model(format!("{}: {what}: {e}; get the file again", path.display()))
        };
        let file = File::open(path).map_err(Error::io("reading", path))?;
        let mut npz = NpzReader::new(file).map_err(|e| bad("not an .npz file", &e))?;
        let mut names = npz.names().map_err(|e| bad("not an .npz file", &e))?;
        names.sort();
        let mut all = Directions::default();
        for name in names.iter().filter_map(|n| n.strip_prefix("dir_")) {
            let unit: Array1<f32> = npz.by_name(&format!("dir_{name}")).map_err(|e| bad(name, &e))?;
            let sigma: Array0<f32> = npz.by_name(&format!("std_{name}")).map_err(|e| bad(name, &e))?;
            all.named.push(Direction { name: name.into(), unit: unit.to_vec(), sigma: sigma.into_scalar() });
        }
        if names.iter().any(|n| n == "pca_components") {
            let components: Array2<f32> =
                npz.by_name("pca_components").map_err(|e| bad("pca_components", &e))?;
            let std: Array1<f32> = npz.by_name("pca_std").map_err(|e| bad("pca_std", &e))?;
            if std.len() != components.nrows() {
                return Err(bad("pca_std", &"its length is not the number of components"));
            }
            let component = |(k, (unit, &sigma)): (usize, (ndarray::ArrayView1<'_, f32>, &f32))| Direction {
                name: format!("pca.{k}"),
                unit: unit.to_vec(),
                sigma,
            };
            all.pca = components.rows().into_iter().zip(&std).enumerate().map(component).collect();
        }
        Ok(all)
    }

    /// The direction called `name`.
    ///
    /// # Errors
    /// [`Error::Input`] with names near it.
    pub fn get(&self, name: &str) -> Result<&Direction> {
        let found = self.named.iter().chain(&self.pca).find(|d| d.name == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = self.named.iter().map(|d| &*d.name).chain(["pca.0"]).collect();
            crate::edit::unknown_direction(name, &known)
        })
    }

    /// Writes the `.npz` that [`Directions::read`] reads.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed =
            |e: &dyn std::fmt::Display| Error::io("writing", path)(std::io::Error::other(e.to_string()));
        let file = File::create(path).map_err(Error::io("writing", path))?;
        let mut npz = NpzWriter::new(file);
        for d in &self.named {
            npz.add_array(format!("dir_{}", d.name), &aview1(&d.unit)).map_err(|e| failed(&e))?;
            npz.add_array(format!("std_{}", d.name), &arr0(d.sigma)).map_err(|e| failed(&e))?;
        }
        if let Some(first) = self.pca.first() {
            let units: Vec<f32> = self.pca.iter().flat_map(|d| d.unit.iter().copied()).collect();
            let units =
                Array2::from_shape_vec((self.pca.len(), first.unit.len()), units).map_err(|e| failed(&e))?;
            let sigmas: Array1<f32> = self.pca.iter().map(|d| d.sigma).collect();
            npz.add_array("pca_components", &units).map_err(|e| failed(&e))?;
            npz.add_array("pca_std", &sigmas).map_err(|e| failed(&e))?;
        }
        npz.finish().map(drop).map_err(|e| failed(&e))
    }

    /// A stand-in for a mapping network: `z` `[1, k]` → `w` = w̄ + Σ z_k σ_k c_k, as w is distributed where it is normal.
    /// `None` without principal components.
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

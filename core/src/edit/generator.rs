//! The generator with its original weights or those of an inversion: one session, many edits.

use super::direction::{Edit, StyleRange, apply};
use super::sefa;
use crate::bundle::Direction;
use crate::inversion::Inversion;
use crate::loss::similarity::{generator_graph, set_theta};
use crate::model::Model;
use crate::runtime::{Binding, Cancel};
use crate::util::tensor::as_image;
use crate::{Error, Result};
use ndarray::{Array2, Array4, ArrayD, ArrayView2};
use std::sync::{Mutex, PoisonError};

/// Renders latents. Creation loads the generator; each image then costs one forward pass.
pub struct Generator {
    model: Model,
    generator: Mutex<Binding>,
}

impl Generator {
    /// The bundle's generator with its original weights.
    pub fn untuned(model: &Model) -> Result<Generator> {
        Generator::new(model, &[])
    }

    /// The generator with the weight changes of an inversion.
    ///
    /// # Errors
    /// [`Error::Input`] if the inversion belongs to another generator.
    pub fn tuned(model: &Model, inversion: &Inversion) -> Result<Generator> {
        inversion.check_model(model.bundle.name(), model.bundle.generator_sha256())?;
        check_latent(model, &inversion.ws)?;
        Generator::new(model, &inversion.changes)
    }

    fn new(model: &Model, changes: &[(String, ArrayD<f32>)]) -> Result<Generator> {
        let (own, tunable) = (model.generator()?, model.bundle.tunable());
        let graph = generator_graph(own, tunable)?;
        let mut generator = model.runtime.compile("generator", &graph)?.bind()?;
        set_theta(&mut generator, own, tunable)?;
        for (name, change) in changes {
            let port = format!("theta.{name}");
            let theta = generator.get(&port).map_err(|_| {
                Error::Model(format!(
                    "the inversion changes {name}, which is not a tunable weight of the model"
                ))
            })?;
            if theta.shape() != change.shape() {
                let (change, theta) = (change.shape(), theta.shape());
                let text = format!(
                    "the inversion's change of {name} has the shape {change:?}; the weight has {theta:?}"
                );
                return Err(Error::Model(text));
            }
            generator.set_array(&port, &(theta + change))?;
        }
        Ok(Generator { model: model.clone(), generator: Mutex::new(generator) })
    }

    /// The image `[1,3,R,R]` in `[-1,1]` of a latent `[n,512]`.
    pub fn image(&self, ws: ArrayView2<'_, f32>, cancel: &Cancel) -> Result<Array4<f32>> {
        let ws = ws.insert_axis(ndarray::Axis(0)).into_dyn().to_owned();
        let mut generator = self.generator.lock().unwrap_or_else(PoisonError::into_inner);
        generator.set_array("ws", &ws)?;
        generator.run(cancel)?;
        as_image(generator.get("image")?)
    }

    /// `ws` moved by `edits`, in the style layers of each direction, or in `layers`.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown direction, another unit than the direction's, or layers that the generator does not have.
    pub fn apply_edits(
        &self,
        ws: &Array2<f32>,
        edits: &[Edit],
        layers: Option<&StyleRange>,
    ) -> Result<Array2<f32>> {
        check_latent(&self.model, ws)?;
        let directions: Vec<Direction> =
            edits.iter().map(|e| self.direction(&e.direction, layers)).collect::<Result<_>>()?;
        edits.iter().zip(&directions).try_for_each(|(edit, direction)| edit.check_unit(direction))?;
        let steps: Vec<_> = directions.iter().zip(edits).map(|(d, e)| (d, e.strength)).collect();
        let mut ws = ws.as_standard_layout().into_owned();
        let dims = ws.ncols();
        if let Some(values) = ws.as_slice_mut() {
            apply(values, dims, self.model.resolution(), &steps, layers)?;
        }
        Ok(ws)
    }

    /// A direction by name: one of the bundle's, `pca.K`, or `sefa.K`, which is computed from the generator.
    pub fn direction(&self, name: &str, layers: Option<&StyleRange>) -> Result<Direction> {
        let directions = self.model.directions()?;
        let Some(k) = name.strip_prefix("sefa.") else { return Ok(directions.get(name)?.clone()) };
        let dims = self.model.w_dim()?;
        let k = k.parse::<usize>().ok().filter(|&k| k < dims).ok_or_else(|| {
            Error::Input(format!("`{name}` does not exist: SeFa directions are sefa.0 to sefa.{}", dims - 1))
        })?;
        let mut all =
            sefa::directions(self.model.generator()?, layers, k + 1, |unit| directions.sigma_of(unit))?;
        all.pop().ok_or_else(|| Error::Model(format!("the generator has no direction `{name}`")))
    }
}

/// Refuses a latent of another shape than the generator takes.
fn check_latent(model: &Model, ws: &Array2<f32>) -> Result<()> {
    let (found, wanted) = (ws.dim(), (model.num_ws()?, model.w_dim()?));
    if found == wanted {
        return Ok(());
    }
    Err(Error::Model(format!(
        "the latent has the shape {found:?}, but the generator of `{}` takes {wanted:?}; invert the photo again",
        model.bundle.name()
    )))
}

//! A generator to look at latents with: its own weights, or those of an inversion. One session, many edits.

use crate::edit::{self, Direction, Edit, Layers};
use crate::inversion::Inversion;
use crate::model::{Model, as_image};
use crate::runtime::{Binding, Cancel};
use crate::{Error, Result, objective, sefa};
use ndarray::{Array2, Array4, ArrayD, ArrayView2};
use std::sync::{Mutex, PoisonError};

/// Renders latents. Making it loads the generator once; each image then costs one forward run.
pub struct Editor {
    model: Model,
    generator: Mutex<Binding>,
}

impl Editor {
    /// The bundle's own generator.
    pub fn untuned(model: &Model) -> Result<Editor> {
        Editor::new(model, &[])
    }

    /// The generator with an inversion's weight changes.
    ///
    /// # Errors
    /// [`Error::Input`] where the inversion belongs to another generator.
    pub fn tuned(model: &Model, inversion: &Inversion) -> Result<Editor> {
        inversion.check_bundle(model.bundle.name(), model.bundle.generator_sha256())?;
        Editor::new(model, &inversion.changes)
    }

    fn new(model: &Model, changes: &[(String, ArrayD<f32>)]) -> Result<Editor> {
        let (own, tunable) = (model.generator()?, model.bundle.tunable());
        let graph = objective::image(own, tunable)?;
        let mut generator = model.runtime.compile("generator", &graph)?.bind()?;
        objective::set_theta(&mut generator, own, tunable)?;
        for (name, change) in changes {
            let port = format!("theta.{name}");
            let theta = generator.get(&port).map_err(|_| {
                Error::Model(format!("the inversion changes {name}, which is no tunable weight of the model"))
            })?;
            if theta.shape() != change.shape() {
                let (change, theta) = (change.shape(), theta.shape());
                let text = format!("the inversion's change of {name} is {change:?}, the weight is {theta:?}");
                return Err(Error::Model(text));
            }
            generator.set_array(&port, &(theta + change))?;
        }
        Ok(Editor { model: model.clone(), generator: Mutex::new(generator) })
    }

    /// The image `[1,3,R,R]` of a latent `[n,512]`.
    pub fn image(&self, ws: ArrayView2<'_, f32>, cancel: &Cancel) -> Result<Array4<f32>> {
        let ws = ws.insert_axis(ndarray::Axis(0)).into_dyn().to_owned();
        let mut generator = self.generator.lock().unwrap_or_else(PoisonError::into_inner);
        generator.set_array("ws", &ws)?;
        generator.run(cancel)?;
        as_image(vec![generator.get("image")?])
    }

    /// ws moved by `edits`, in the style layers of `layers` (all where absent).
    pub fn moved(&self, ws: &Array2<f32>, edits: &[Edit], layers: Option<&Layers>) -> Result<Array2<f32>> {
        let directions: Vec<Direction> =
            edits.iter().map(|e| self.direction(&e.direction, layers)).collect::<Result<_>>()?;
        let steps: Vec<_> = directions.iter().zip(edits).map(|(d, e)| (d, e.strength)).collect();
        let mut ws = ws.as_standard_layout().into_owned();
        let dims = ws.ncols();
        if let Some(values) = ws.as_slice_mut() {
            edit::apply(values, dims, &steps, layers)?;
        }
        Ok(ws)
    }

    /// A direction by name: one of the bundle's, `pca.K`, or `sefa.K` computed from the generator.
    pub fn direction(&self, name: &str, layers: Option<&Layers>) -> Result<Direction> {
        let directions = self.model.directions()?;
        let Some(k) = name.strip_prefix("sefa.") else { return Ok(directions.get(name)?.clone()) };
        let [_, dims] = self.model.latent_shape()?;
        let k = k.parse::<usize>().ok().filter(|&k| k < dims).ok_or_else(|| {
            Error::Input(format!("`{name}`: SeFa directions are sefa.0 to sefa.{}", dims - 1))
        })?;
        let mut all =
            sefa::directions(self.model.generator()?, layers, k + 1, |unit| directions.sigma_of(unit))?;
        all.pop().ok_or_else(|| Error::Model(format!("`{name}`: the generator has no such direction")))
    }
}

//! A generator to look at latents with: its own weights, or those of an inversion. One session, many edits.

use crate::edit::{self, Direction, Edit, Layers};
use crate::inversion::Inversion;
use crate::model::{Model, as_image};
use crate::runtime::{Cancel, Session};
use crate::{Error, Result, sefa};
use gani_onnx::{Builder, Graph, Tensor};
use ndarray::{Array2, Array4, ArrayD, ArrayView2};
use std::collections::BTreeMap;

/// Renders latents. Making it loads the generator once; each image then costs one forward run.
pub struct Editor {
    model: Model,
    generator: Session,
}

impl Editor {
    /// The bundle's own generator.
    pub fn untuned(model: &Model) -> Result<Editor> {
        let generator = model.runtime.compile("generator", model.generator()?)?;
        Ok(Editor { model: model.clone(), generator })
    }

    /// The generator with an inversion's weight changes.
    ///
    /// # Errors
    /// [`Error::Input`] where the inversion belongs to another generator.
    pub fn tuned(model: &Model, inversion: &Inversion) -> Result<Editor> {
        inversion.check_bundle(model.bundle.name(), model.bundle.generator_sha256())?;
        let graph = changed(model.generator()?, &inversion.changes)?;
        Ok(Editor { model: model.clone(), generator: model.runtime.compile("tuned generator", &graph)? })
    }

    /// The image `[1,3,R,R]` of a latent `[n,512]`.
    pub fn image(&self, ws: ArrayView2<'_, f32>, cancel: &Cancel) -> Result<Array4<f32>> {
        let ws = ws.insert_axis(ndarray::Axis(0)).into_dyn();
        as_image(self.generator.run(&[("ws", ws)], cancel)?)
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

/// The generator with its weights moved by `changes`.
pub(crate) fn changed(generator: &Graph, changes: &[(String, ArrayD<f32>)]) -> Result<Graph> {
    let b = Builder::new();
    let ws = b.input("ws", generator.input_shape("ws")?);
    let changes: BTreeMap<&str, &ArrayD<f32>> = changes.iter().map(|(n, c)| (n.as_str(), c)).collect();
    let mut bindings = vec![("ws", ws)];
    for (&name, change) in &changes {
        let weight = generator.find_constant(name)?;
        let bad = || {
            Error::Model(format!(
                "the inversion's change of {name} is {:?}, the weight is {:?}",
                change.shape(),
                weight.shape()
            ))
        };
        let values = weight.as_f32().filter(|_| weight.shape() == change.shape()).ok_or_else(bad)?;
        let sum = values.iter().zip(change.iter()).map(|(w, c)| w + c).collect();
        bindings.push((name, b.weight(name, Tensor::f32(change.shape(), sum).ok_or_else(bad)?)));
    }
    let image = b.inline(generator, &bindings)?[0];
    b.output("image", image);
    Ok(b.finish()?)
}

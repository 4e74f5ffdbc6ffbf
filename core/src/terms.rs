//! The two terms of Eq. 5, bound and ready to run: L(I, G(w, θ')) for the photo, L(G(f(z), θ), G(f(z), θ')) for the rest of
//! the latent space. GANI's modules and pivotal tuning both drive them; only how θ' comes about differs.

use crate::model::as_image;
use crate::objective::{Objective, Weights, Wrt, set_theta};
use crate::runtime::{Binding, Cancel, Runtime, Session};
use crate::{Error, Result};
use gani_onnx::Graph;
use ndarray::{Array4, ArrayD};
use serde::{Deserialize, Serialize};

/// What every stage that works by gradient needs.
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// Runs the graphs.
    pub runtime: &'a Runtime,
    /// The generator and the loss.
    pub objective: &'a Objective,
    /// The photo's features, see [`observe`].
    pub target: &'a Binding,
    /// f: z `[1,k]`, standard normal, → w; none where the bundle cannot sample latents.
    pub mapping: Option<&'a Graph>,
    /// The mean of w, `[512]`.
    pub w_avg: &'a [f32],
    /// Stops the work.
    pub cancel: &'a Cancel,
}

/// Which loss keeps the generator in place on other latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Localisation {
    /// Eq. 1 in full.
    Full,
    /// Its pixel and LPIPS terms: features of the face are free to follow the photo.
    Cheap,
}

/// What one step measured: the terms of Eq. 1 by name, for the photo and for the sampled latent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepLosses {
    /// Terms of L(I, G(w, θ')), in the order of the inversion file's `terms`.
    pub edit: Vec<f32>,
    /// Terms of L(G(f(z), θ), G(f(z), θ')); empty in steps without localisation.
    pub local: Vec<f32>,
    /// λe·Le + λl·Ll   (Eq. 5).
    pub total: f32,
}

/// Both terms of Eq. 5 at the weights θ'. Until those are shared from elsewhere they are the generator's own, θ.
///
/// They have one gradient: `run_edit` begins it, `run_local` adds to it.
pub struct Terms {
    names: Vec<String>,
    /// λ1…λ4 of the photo's term, and of localisation.
    lambdas: [Vec<f32>; 2],
    total: f32,
    cancel: Cancel,
    // Bound graphs, by what they compute.
    pub(crate) edit: Binding,
    pub(crate) local: Binding,
    mapping: Option<Binding>,
    reference: Binding,
}

impl Terms {
    /// For the latent `ws` `[n·512]` of the photo. `weights` are λ1…λ4 of the photo's term, `local_weights` those of
    /// localisation, which may leave terms out.
    pub fn new(
        problem: &Problem<'_>,
        ws: &[f32],
        weights: &Weights,
        local_weights: &Weights,
    ) -> Result<Terms> {
        let Problem { runtime, objective, target, cancel, .. } = *problem;
        // One session for both terms of Eq. 5: a second one would take the time to make it, and hold its constants, again.
        let loss_gradient = runtime.compile("loss gradient", &objective.added_gradient(weights)?)?;
        let (mut edit, mut local) = (loss_gradient.bind()?, loss_gradient.bind()?);
        let names = term_names(&edit);
        let lambdas = [weights, local_weights].map(|w| lambdas(&names, w));
        edit.set("keep", &[0.0])?;
        local.set("keep", &[1.0])?;
        let mut reference = runtime.compile("reference", &objective.reference(weights)?)?.bind()?;
        let mapping = problem.mapping.map(|graph| runtime.compile("mapping", graph)?.bind()).transpose()?;
        edit.set("ws", ws)?;
        edit.share_all(target, "target.")?;
        local.share_all(&reference, "target.")?;
        set_theta(&mut reference, &objective.generator, &objective.tunable)?;
        for name in &objective.tunable {
            let theta = format!("theta.{name}");
            edit.share(&theta, &reference, &theta)?;
            local.share(&theta, &reference, &theta)?;
            let (before, gradient) = (format!("before.{name}"), format!("d.{name}"));
            edit.set(&before, &vec![0.0; edit.input_len(&before)?])?;
            edit.in_place(&gradient, &before)?;
            local.share(&before, &edit, &gradient)?;
            local.in_place(&gradient, &before)?;
        }
        Ok(Terms { names, lambdas, total: 0.0, cancel: cancel.clone(), edit, local, mapping, reference })
    }

    /// Names of the terms of [`StepLosses::edit`].
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// λe·L(I, G(w, θ')) and ∂/∂θ'; its terms.
    pub fn run_edit(&mut self, lambda: f32) -> Result<Vec<f32>> {
        self.edit.set("lambda", &times(lambda, &self.lambdas[0]))?;
        self.edit.run(&self.cancel)?;
        self.total = self.edit.with("loss", first)?;
        read(&self.edit, &self.names)
    }

    /// L(I, G(w', θ')) and ∂/∂θ' at another latent w' `[512]`: what the photo would have of a face that is not its own. The next
    /// [`Terms::run_edit`] is at the photo's latent again.
    pub(crate) fn run_edit_at(&mut self, w: &[f32]) -> Result<()> {
        let own = self.edit.with("ws", <[f32]>::to_vec)?;
        let ws: Vec<f32> = w.iter().copied().cycle().take(own.len()).collect();
        self.edit.set("ws", &ws)?;
        self.run_edit(1.0)?;
        self.edit.set("ws", &own)
    }

    /// λl·L(G(w', θ), G(w', θ')) for another latent w' `[512]`, or w+ `[n·512]`, and ∂/∂θ' added to that of the last
    /// [`Terms::run_edit`]; its terms.
    pub fn run_local(&mut self, lambda: f32, w: &[f32]) -> Result<Vec<f32>> {
        let ws: Vec<f32> = w.iter().copied().cycle().take(self.reference.input_len("ws")?).collect();
        self.reference.set("ws", &ws)?;
        self.reference.run(&self.cancel)?; // G(w', θ)
        self.local.set("ws", &ws)?;
        self.local.set("lambda", &times(lambda, &self.lambdas[1]))?;
        self.local.run(&self.cancel)?;
        self.total += self.local.with("loss", first)?;
        read(&self.local, &self.names)
    }

    /// f(z): w `[512]` of z.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the bundle cannot sample latents.
    pub fn map(&mut self, z: &[f32]) -> Result<Vec<f32>> {
        let mapping = self.mapping.as_mut().ok_or_else(|| {
            Error::Unsupported(
                "localisation samples f(z), and this model has no mapping network; set λl to 0".into(),
            )
        })?;
        mapping.set("z", z)?;
        mapping.run(&self.cancel)?;
        mapping.with("w", <[f32]>::to_vec)
    }

    /// How many numbers a z holds; 0 where none can be mapped.
    pub fn z_len(&self) -> Result<usize> {
        self.mapping.as_ref().map_or(Ok(0), |mapping| mapping.input_len("z"))
    }

    /// λe·Le + λl·Ll of the last runs   (Eq. 5).
    ///
    /// # Errors
    /// [`Error::Runtime`] where it is not finite any more.
    pub fn total(&self, step: usize) -> Result<f32> {
        if !self.total.is_finite() {
            let terms = read(&self.edit, &self.names)?;
            return Err(Error::Runtime(format!(
                "the loss is no longer finite at step {step} ({terms:?}); use a smaller learning rate"
            )));
        }
        Ok(self.total)
    }

    /// The image of the last run of the photo's term, `[1,3,R,R]`.
    pub fn image(&self) -> Result<Array4<f32>> {
        as_image(vec![self.edit.get("image")?])
    }
}

/// The features of a target photo `[1,3,R,R]`, bound for all that works by gradient.
pub fn observe(
    runtime: &Runtime,
    objective: &Objective,
    weights: &Weights,
    photo: &ArrayD<f32>,
    cancel: &Cancel,
) -> Result<Binding> {
    let mut features = runtime.compile("target features", &objective.features(weights)?)?.bind()?;
    features.set_array("image", photo)?;
    features.run(cancel)?;
    Ok(features)
}

/// A session of [`Objective::loss_gradient`].
pub fn loss_gradient(
    runtime: &Runtime,
    objective: &Objective,
    weights: &Weights,
    wrt: Wrt,
) -> Result<Session> {
    let name = match wrt {
        Wrt::Weights => "loss gradient",
        Wrt::Latent => "latent loss",
        Wrt::LatentAndNoise => "latent and noise loss",
    };
    runtime.compile(name, &objective.loss_gradient(weights, wrt)?)
}

/// w `[1,512]` repeated to `len` numbers: the same w in every style layer.
pub(crate) fn repeat(w: &ArrayD<f32>, len: usize) -> Vec<f32> {
    w.iter().copied().cycle().take(len).collect()
}

/// The terms' weights, in their order.
pub(crate) fn lambdas(terms: &[String], weights: &Weights) -> Vec<f32> {
    terms.iter().map(|term| weights.of(term)).collect()
}

fn times(factor: f32, values: &[f32]) -> Vec<f32> {
    values.iter().map(|v| factor * v).collect()
}

pub(crate) fn term_names(loss: &Binding) -> Vec<String> {
    let names = loss.session().outputs().iter().map(|p| p.name.clone());
    names.filter(|n| n != "loss" && n != "image" && !n.starts_with("d.")).collect()
}

pub(crate) fn read(loss: &Binding, terms: &[String]) -> Result<Vec<f32>> {
    terms.iter().map(|name| loss.with(name, first)).collect()
}

fn first(values: &[f32]) -> f32 {
    values.first().copied().unwrap_or(f32::NAN)
}

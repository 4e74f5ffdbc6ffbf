//! Tuning one photograph into the generator: Algorithm 1 of the paper.
//!
//! Three graphs carry it, made once: `modules` (ψ, g → θ'), `loss_gradient` (θ' → Eq. 1 and ∂L/∂θ'), `vjp`
//! (∂L/∂θ' → ∂L/∂ψ). θ' and its gradients stay on the device; only ψ, a million numbers, is updated here.

use crate::model::as_image;
use crate::modules::{ModuleSettings, Modules, Tuned};
use crate::objective::{Objective, Weights, Wrt};
use crate::ranger::{Ranger, RangerOptions};
use crate::runtime::{Binding, Cancel, Runtime};
use crate::{Error, Result};
use gani_onnx::{Graph, write};
use ndarray::{Array4, ArrayD};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// How tuning runs. The presets of [`crate::preset`] are values of this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TuneSettings {
    /// Training steps of ψ.
    pub iterations: usize,
    /// Ranger's step size.
    pub learning_rate: f64,
    /// Fraction of the steps, at the end, over which the step size falls to zero along a cosine; 0: constant.
    pub cool_down: f64,
    /// The modules.
    pub module: ModuleSettings,
    /// λ1…λ4 and the pixel term of Eq. 1.
    pub weights: Weights,
    /// λe of Eq. 5.
    pub lambda_edit: f32,
    /// λl of Eq. 5.
    pub lambda_local: f32,
    /// Terms of the localisation loss.
    pub localisation: Localisation,
    /// Localisation in every k-th step only, k times as strong; 1: in every step.
    pub local_every: usize,
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
    /// Terms of L(I, G(w, θ')), in the order of [`Tuner::term_names`].
    pub edit: Vec<f32>,
    /// Terms of L(G(f(z), θ), G(f(z), θ')); empty in steps without localisation.
    pub local: Vec<f32>,
    /// λe·Le + λl·Ll   (Eq. 5).
    pub total: f32,
}

/// What every stage that works by gradient needs.
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// Runs the graphs.
    pub runtime: &'a Runtime,
    /// The generator and the loss.
    pub objective: &'a Objective,
    /// The photo's features, see [`observe`].
    pub target: &'a Binding,
    /// Stops the work.
    pub cancel: &'a Cancel,
}

/// The state of one tuning run.
pub struct Tuner {
    settings: TuneSettings,
    modules: Modules,
    psi: Vec<ArrayD<f32>>,
    ranger: Ranger,
    step: usize,
    cancel: Cancel,
    terms: Vec<String>,
    // Bound graphs, by what they compute.
    apply: Binding,
    edit: Binding,
    local: Binding,
    vjp: Binding,
    mapping: Binding,
    reference: Binding,
}

impl Tuner {
    /// Prepares tuning at the latent `ws` `[n·512]`; computes the one gradient g = ∂L(I, G(w, θ))/∂θ that the modules
    /// map. `mapping` is f: z `[1,512]` → w. ψ starts from `seed`.
    pub fn new(
        problem: &Problem<'_>,
        mapping: &Graph,
        ws: &[f32],
        settings: &TuneSettings,
        seed: u64,
    ) -> Result<Tuner> {
        let Problem { runtime, objective, target, cancel } = *problem;
        let theta = objective.weights()?;
        let tuned = theta.iter().zip(&objective.tunable);
        let tuned = tuned.map(|(t, name)| Tuned { name: name.clone(), shape: t.shape().to_vec() }).collect();
        let modules = Modules::new(tuned, settings.module);
        let psi = modules.initial(&mut ChaCha8Rng::seed_from_u64(seed));
        let weights = &settings.weights;
        let local_weights = match settings.localisation {
            Localisation::Full => weights.clone(),
            Localisation::Cheap => weights.cheap(),
        };
        // One session for both terms of Eq. 5: a second one would hold gigabytes of its own.
        let loss_gradient =
            session(runtime, "loss gradient", objective.loss_gradient(weights, Wrt::Weights)?)?;
        let (mut edit, mut local) = (loss_gradient.bind()?, loss_gradient.bind()?);
        let terms = term_names(&edit);
        edit.set("lambda", &lambdas(&terms, weights))?;
        local.set("lambda", &lambdas(&terms, &local_weights))?;
        let mut apply = session(runtime, "modules", modules.forward()?)?.bind()?;
        let mut vjp = session(runtime, "modules' gradient", modules.vjp()?)?.bind()?;
        let reference = session(runtime, "reference", objective.reference(weights)?)?.bind()?;
        let mapping = session(runtime, "mapping", mapping.clone())?.bind()?;

        // g = ∂L(I, G(w, θ))/∂θ, once, at the generator's own weights
        edit.set("ws", ws)?;
        share_all(&mut edit, target, "target.")?;
        for (t, name) in theta.iter().zip(&objective.tunable) {
            let values = t.as_f32().ok_or_else(|| Error::Model(format!("the weight {name} is not f32")))?;
            edit.set(&format!("theta.{name}"), values)?;
            apply.set(&format!("theta.{name}"), values)?;
        }
        edit.run(cancel)?;
        for name in &objective.tunable {
            let g = edit.get(&format!("d.{name}"))?;
            apply.set_array(&format!("g.{name}"), &g)?;
        }

        // From here on the weights are what the modules make, and everything stays where it is computed.
        share_all(&mut local, &reference, "target.")?;
        for ((name, _), value) in modules.parameters().iter().zip(&psi) {
            apply.set_array(name, value)?;
            vjp.share(name, &apply, name)?;
        }
        for name in &objective.tunable {
            edit.share(&format!("theta.{name}"), &apply, &format!("tuned.{name}"))?;
            local.share(&format!("theta.{name}"), &apply, &format!("tuned.{name}"))?;
            vjp.share(&format!("theta.{name}"), &apply, &format!("theta.{name}"))?;
            vjp.share(&format!("g.{name}"), &apply, &format!("g.{name}"))?;
            vjp.share(&format!("edit.{name}"), &edit, &format!("d.{name}"))?;
            vjp.share(&format!("local.{name}"), &local, &format!("d.{name}"))?;
        }
        Ok(Tuner {
            settings: settings.clone(),
            ranger: ranger(&psi, settings),
            modules,
            psi,
            step: 0,
            cancel: cancel.clone(),
            terms,
            apply,
            edit,
            local,
            vjp,
            mapping,
            reference,
        })
    }

    /// One step of Algorithm 1 with the sampled `z` `[512]`.
    pub fn step(&mut self, z: &[f32]) -> Result<StepLosses> {
        let (s, cancel) = (&self.settings, &self.cancel);
        self.apply.run(cancel)?; // θ' = θ ⊙ (1 + M_ψ(g))                            Eq. 2
        self.edit.run(cancel)?; // Le = L(I, G(w, θ'))                                Eq. 5, first term
        let mut losses = StepLosses { edit: read(&self.edit, &self.terms)?, ..Default::default() };
        let mut lambda = [s.lambda_edit, 0.0];
        if s.lambda_local != 0.0 && self.step.is_multiple_of(s.local_every.max(1)) {
            lambda[1] = s.lambda_local * s.local_every.max(1) as f32;
            self.mapping.set("z", z)?;
            self.mapping.run(cancel)?;
            let ws = repeat(&self.mapping.get("w")?, self.reference.input_len("ws")?);
            self.reference.set("ws", &ws)?;
            self.reference.run(cancel)?; // G(f(z), θ)
            self.local.set("ws", &ws)?;
            self.local.run(cancel)?; // Ll = L(G(f(z), θ), G(f(z), θ'))               Eq. 5, second term
            losses.local = read(&self.local, &self.terms)?;
        }
        self.vjp.set("lambda", &lambda)?;
        self.vjp.run(cancel)?; // ∂(λe·Le + λl·Ll)/∂ψ
        let gradients = self.gradients()?;
        self.ranger.set_learning_rate(s.learning_rate * cooling(self.step, s));
        self.ranger.step(&mut self.psi, gradients);
        for ((name, _), value) in self.modules.parameters().iter().zip(&self.psi) {
            self.apply.set_array(name, value)?;
        }
        self.step += 1;
        losses.total = lambda[0] * self.edit.with("loss", first)?;
        if lambda[1] != 0.0 {
            losses.total += lambda[1] * self.local.with("loss", first)?;
        }
        if !losses.total.is_finite() {
            return Err(Error::Runtime(format!(
                "the loss is no longer finite at step {} ({:?}); use a smaller learning rate",
                self.step, losses.edit
            )));
        }
        Ok(losses)
    }

    /// ∂L_total/∂ψ of the last step, in the order of [`Modules::parameters`].
    pub fn gradients(&self) -> Result<Vec<ArrayD<f32>>> {
        self.modules.parameters().iter().map(|(name, _)| self.vjp.get(&format!("d.{name}"))).collect()
    }

    /// ∂L(I, G(w, θ))/∂θ, by weight name: the modules' constant input.
    pub fn initial_gradient(&self, weight: &str) -> Result<ArrayD<f32>> {
        self.apply.get(&format!("g.{weight}"))
    }

    /// ψ.
    pub fn parameters(&self) -> &[ArrayD<f32>] {
        &self.psi
    }

    /// Starts over from this ψ.
    pub fn set_parameters(&mut self, psi: Vec<ArrayD<f32>>) -> Result<()> {
        for ((name, _), value) in self.modules.parameters().iter().zip(&psi) {
            self.apply.set_array(name, value)?;
        }
        self.ranger = ranger(&psi, &self.settings);
        self.psi = psi;
        self.step = 0;
        Ok(())
    }

    /// The modules.
    pub fn modules(&self) -> &Modules {
        &self.modules
    }

    /// Names of the terms of [`StepLosses::edit`].
    pub fn term_names(&self) -> &[String] {
        &self.terms
    }

    /// The image of the last step, `[1,3,R,R]`.
    pub fn image(&self) -> Result<Array4<f32>> {
        as_image(vec![self.edit.get("image")?])
    }

    /// θ' − θ under the present ψ, by weight, in the generator's order.
    pub fn weight_changes(&mut self) -> Result<Vec<(String, ArrayD<f32>)>> {
        self.apply.run(&self.cancel)?;
        let change = |t: &Tuned| {
            let theta = self.apply.get(&format!("theta.{}", t.name))?;
            Ok((t.name.clone(), self.apply.get(&format!("tuned.{}", t.name))? - theta))
        };
        self.modules.weights().iter().map(change).collect()
    }
}

/// Tunes for all of `settings.iterations` steps, sampling z from `seed`, and tells `watch` of each; its error ends it.
pub fn tune(
    tuner: &mut Tuner,
    seed: u64,
    mut watch: impl FnMut(usize, &StepLosses, &Tuner) -> Result<()>,
) -> Result<Vec<StepLosses>> {
    // Its own stream, so that z does not depend on how many numbers ψ took.
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1);
    let mut history = Vec::with_capacity(tuner.settings.iterations);
    let dims = tuner.mapping.input_len("z")?;
    for step in 1..=tuner.settings.iterations {
        let z: Vec<f32> = StandardNormal.sample_iter(&mut rng).take(dims).collect(); // z ~ N(0, 1)
        let losses = tuner.step(&z)?;
        watch(step, &losses, tuner)?;
        history.push(losses);
    }
    Ok(history)
}

/// The features of a target photo `[1,3,R,R]`, bound for [`Tuner::new`] and latent refinement.
pub fn observe(
    runtime: &Runtime,
    objective: &Objective,
    weights: &Weights,
    photo: &ArrayD<f32>,
    cancel: &Cancel,
) -> Result<Binding> {
    let mut features = session(runtime, "target features", objective.features(weights)?)?.bind()?;
    features.set_array("image", photo)?;
    features.run(cancel)?;
    Ok(features)
}

/// A session of a graph.
pub(crate) fn session(runtime: &Runtime, name: &str, graph: Graph) -> Result<crate::runtime::Session> {
    runtime.session(name, &write::to_bytes(&graph)?)
}

/// Shares every output of `from` whose name starts with `prefix` that `to` has an input for.
pub(crate) fn share_all(to: &mut Binding, from: &Binding, prefix: &str) -> Result<()> {
    let wanted: Vec<String> = to.session().inputs().iter().map(|p| p.name.clone()).collect();
    for name in wanted.iter().filter(|n| n.starts_with(prefix)) {
        to.share(name, from, name)?;
    }
    Ok(())
}

/// w `[1,512]` repeated to `len` numbers: the same w in every style layer.
pub(crate) fn repeat(w: &ArrayD<f32>, len: usize) -> Vec<f32> {
    w.iter().copied().cycle().take(len).collect()
}

fn ranger(psi: &[ArrayD<f32>], settings: &TuneSettings) -> Ranger {
    Ranger::new(psi, RangerOptions { learning_rate: settings.learning_rate, ..Default::default() })
}

/// The terms' weights, in their order.
pub(crate) fn lambdas(terms: &[String], weights: &Weights) -> Vec<f32> {
    terms.iter().map(|term| weights.of(term)).collect()
}

pub(crate) fn term_names(loss: &Binding) -> Vec<String> {
    let names = loss.session().outputs().iter().map(|p| p.name.clone());
    names.filter(|n| n != "loss" && n != "image" && !n.starts_with("d.")).collect()
}

fn read(loss: &Binding, terms: &[String]) -> Result<Vec<f32>> {
    terms.iter().map(|name| loss.with(name, first)).collect()
}

fn first(values: &[f32]) -> f32 {
    values.first().copied().unwrap_or(f32::NAN)
}

/// The step size's factor: 1, then down a half cosine over the last steps.
fn cooling(step: usize, settings: &TuneSettings) -> f64 {
    let steps = settings.iterations as f64;
    let left = (steps - step as f64) / (steps * settings.cool_down).max(1.0);
    0.5 * (1.0 - (std::f64::consts::PI * left.min(1.0)).cos())
}

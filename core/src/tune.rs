//! Tuning one photograph into the generator: Algorithm 1 of the paper.
//!
//! Three graphs carry it, made once: `modules` (ψ, g → θ'), `loss_gradient` (θ' → Eq. 1 and ∂L/∂θ'), `vjp`
//! (∂L/∂θ' → ∂L/∂ψ). θ' and its gradients stay on the device; only ψ, a million numbers, is updated here.

use crate::Result;
use crate::modules::{ModuleSettings, Modules, Tuned, flat};
use crate::objective::Weights;
use crate::ranger::{Ranger, RangerOptions};
use crate::runtime::{Binding, Cancel};
use crate::terms::{Localisation, Problem, StepLosses, Terms};
use ndarray::ArrayD;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// How tuning runs. The presets of [`crate::preset`] are values of this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TuneSettings {
    /// Training steps of ψ.
    pub iterations: usize,
    /// Ranger's step size on ψ; with [`crate::direct`] Adam's on θ, relative to each weight's root mean square.
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
    /// With [`crate::direct`]: how strongly steps turn from weights that other faces depend on; 0: not at all.
    #[serde(default)]
    pub spare: f32,
}

impl TuneSettings {
    /// λ1…λ4 of the localisation term.
    pub(crate) fn local_weights(&self) -> Weights {
        match self.localisation {
            Localisation::Full => self.weights.clone(),
            Localisation::Cheap => self.weights.cheap(),
        }
    }

    /// λe and λl of `step`, from 0: λl is 0 where the step has no localisation.
    pub(crate) fn lambda_at(&self, step: usize) -> [f32; 2] {
        let every = self.local_every.max(1);
        let local = if step.is_multiple_of(every) { self.lambda_local * every as f32 } else { 0.0 };
        [self.lambda_edit, local]
    }
}

/// The state of one tuning run.
pub struct Tuner {
    settings: TuneSettings,
    modules: Modules,
    psi: Vec<ArrayD<f32>>,
    ranger: Ranger,
    step: usize,
    cancel: Cancel,
    terms: Terms,
    /// ψ, g → θ'.
    apply: Binding,
    /// ∂L/∂θ' → ∂L/∂ψ.
    vjp: Binding,
}

impl Tuner {
    /// Prepares tuning at the latent `ws` `[n·512]`; computes the one gradient g = ∂L(I, G(w, θ))/∂θ that the modules
    /// map. ψ starts from `seed`.
    pub fn new(problem: &Problem<'_>, ws: &[f32], settings: &TuneSettings, seed: u64) -> Result<Tuner> {
        let Problem { runtime, objective, cancel, .. } = *problem;
        let modules = Modules::of(objective, settings.module)?;
        let psi = modules.initial(&mut ChaCha8Rng::seed_from_u64(seed));
        let mut terms = Terms::new(problem, ws, &settings.weights, &settings.local_weights())?;
        let mut apply = runtime.compile("modules", &modules.forward()?)?.bind()?;
        let mut vjp = runtime.compile("modules' gradient", &modules.vjp()?)?.bind()?;

        // g = ∂L(I, G(w, θ))/∂θ, once, at the generator's own weights
        terms.run_edit(1.0)?;
        for name in &objective.tunable {
            apply.set_array(&format!("g.{name}"), &terms.edit.get(&format!("d.{name}"))?)?;
        }

        // From here on the weights are what the modules make, and everything stays where it is computed.
        apply.set("psi", &flat(&psi))?;
        vjp.share("psi", &apply, "psi")?;
        for name in &objective.tunable {
            let theta = format!("theta.{name}");
            apply.share(&theta, &terms.edit, &theta)?;
            terms.edit.share(&theta, &apply, &format!("tuned.{name}"))?;
            terms.local.share(&theta, &apply, &format!("tuned.{name}"))?;
            vjp.share(&theta, &apply, &theta)?;
            vjp.share(&format!("g.{name}"), &apply, &format!("g.{name}"))?;
            vjp.share(&format!("d.{name}"), &terms.edit, &format!("d.{name}"))?;
        }
        vjp.share_all(&apply, "product.")?;
        let (settings, ranger) = (settings.clone(), ranger(&psi, settings));
        Ok(Tuner { settings, modules, psi, ranger, step: 0, cancel: cancel.clone(), terms, apply, vjp })
    }

    /// One step of Algorithm 1 with the sampled `z` `[512]`.
    pub fn step(&mut self, z: &[f32]) -> Result<StepLosses> {
        let s = &self.settings;
        self.apply.run(&self.cancel)?; // θ' = θ ⊙ (1 + M_ψ(g))                        Eq. 2
        let [lambda_edit, lambda_local] = s.lambda_at(self.step);
        let edit = self.terms.run_edit(lambda_edit)?; // λe·L(I, G(w, θ'))                  Eq. 5, first term
        let mut local = Vec::new();
        if lambda_local != 0.0 {
            let w = self.terms.map(z)?; // f(z)
            local = self.terms.run_local(lambda_local, &w)?; // λl·L(G(f(z), θ), G(f(z), θ'))    Eq. 5, second term
        }
        self.vjp.run(&self.cancel)?; // ∂(λe·Le + λl·Ll)/∂ψ
        let gradients = self.gradients()?;
        self.ranger.set_learning_rate(s.learning_rate * cooling(self.step, s));
        self.ranger.step(&mut self.psi, gradients);
        self.apply.set("psi", &flat(&self.psi))?;
        self.step += 1;
        Ok(StepLosses { edit, local, total: self.terms.total(self.step)? })
    }

    /// ∂L_total/∂ψ of the last step, in the order of [`Modules::parameters`].
    pub fn gradients(&self) -> Result<Vec<ArrayD<f32>>> {
        self.vjp.with("d.psi", |d| self.modules.shaped(d))?
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
        self.apply.set("psi", &flat(&psi))?;
        self.ranger = ranger(&psi, &self.settings);
        self.psi = psi;
        self.step = 0;
        Ok(())
    }

    /// The modules.
    pub fn modules(&self) -> &Modules {
        &self.modules
    }

    /// The two terms of Eq. 5, as the last step left them.
    pub fn terms(&self) -> &Terms {
        &self.terms
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
    let mut history = Vec::with_capacity(tuner.settings.iterations);
    let samples = samples(seed, tuner.terms.z_len()?);
    for (step, z) in (1..=tuner.settings.iterations).zip(samples) {
        let losses = tuner.step(&z)?;
        watch(step, &losses, tuner)?;
        history.push(losses);
    }
    Ok(history)
}

/// z ~ N(0, 1) `[dims]`, one for each step.
pub(crate) fn samples(seed: u64, dims: usize) -> impl Iterator<Item = Vec<f32>> {
    // Its own stream, so that z does not depend on how many numbers ψ took.
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1);
    std::iter::repeat_with(move || StandardNormal.sample_iter(&mut rng).take(dims).collect())
}

fn ranger(psi: &[ArrayD<f32>], settings: &TuneSettings) -> Ranger {
    Ranger::new(psi, RangerOptions { learning_rate: settings.learning_rate, ..Default::default() })
}

/// The step size's factor: 1, then down a half cosine over the last steps.
pub(crate) fn cooling(step: usize, settings: &TuneSettings) -> f64 {
    let steps = settings.iterations as f64;
    let left = (steps - step as f64) / (steps * settings.cool_down).max(1.0);
    0.5 * (1.0 - (std::f64::consts::PI * left.min(1.0)).cos())
}

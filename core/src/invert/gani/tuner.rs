//! GANI: the modules as the parametrization of θ' in Algorithm 1 ([`tune`]).
//!
//! The graphs are built once: `modules` (ψ, g → θ'), the loss gradient (θ' → L_total and ∂L_total/∂θ') and the modules' gradient
//! (∂L_total/∂θ' → ∂L_total/∂ψ). θ' and its gradients stay on the device. Only ψ, about a million numbers, is updated here.

use super::modules::{Modules, WeightSpec, flatten};
use crate::Result;
use crate::invert::tuning::{Parametrization, Schedule, TuningResult, tune, tuning_step};
use crate::loss::{Problem, StepLosses, TotalLoss};
use crate::optim::ranger::{Ranger, RangerOptions};
use crate::runtime::{Binding, Cancel};
use crate::settings::TuneSettings;
use crate::util::random::{latents, seeded};
use ndarray::ArrayD;

/// θ' = θ ⊙ (1 + M_ψ(g)) with the constant gradient g = ∂L(I, G(w, θ))/∂θ; ψ is trained with Ranger.
pub struct ModuleParametrization {
    settings: TuneSettings,
    modules: Modules,
    psi: Vec<ArrayD<f32>>,
    ranger: Ranger,
    cancel: Cancel,
    /// ψ, g, θ → θ'.
    forward: Binding,
    /// ∂L_total/∂θ' → ∂L_total/∂ψ.
    vjp: Binding,
}

impl ModuleParametrization {
    /// Builds the modules with an initial ψ from `seed`, computes g, and connects θ' and its gradient with `loss`.
    pub fn new(
        problem: &Problem<'_>,
        loss: &mut TotalLoss,
        settings: &TuneSettings,
        seed: u64,
    ) -> Result<ModuleParametrization> {
        let Problem { runtime, cancel, .. } = *problem;
        let modules = Modules::for_generator(problem.loss, settings.module)?;
        let psi = modules.initial(&mut seeded(seed, 0));
        let mut forward = runtime.compile("modules", &modules.forward()?)?.bind()?;
        let mut vjp = runtime.compile("modules' gradient", &modules.vjp()?)?.bind()?;

        // g = ∂L(I, G(w, θ))/∂θ, once, with the original weights. Noise maps and target are constant, so g is too.
        loss.run_reconstruction(1.0)?;
        for name in &problem.loss.tunable {
            forward.set_array(&format!("g.{name}"), &loss.reconstruction.get(&format!("d.{name}"))?)?;
        }

        // From here on, the loss graphs read θ' from the modules' output, and the modules' gradient reads ∂L_total/∂θ'.
        forward.set("psi", &flatten(&psi))?;
        vjp.alias_input("psi", &forward, "psi")?;
        for name in &problem.loss.tunable {
            let (theta, tuned) = (format!("theta.{name}"), format!("tuned.{name}"));
            let (g, gradient) = (format!("g.{name}"), format!("d.{name}"));
            forward.alias_input(&theta, &loss.reconstruction, &theta)?;
            loss.reconstruction.alias_input(&theta, &forward, &tuned)?;
            loss.localization.alias_input(&theta, &forward, &tuned)?;
            vjp.alias_input(&theta, &forward, &theta)?;
            vjp.alias_input(&g, &forward, &g)?;
            vjp.alias_input(&gradient, &loss.reconstruction, &gradient)?;
        }
        vjp.alias_inputs(&forward, "product.")?;
        let (settings, ranger, cancel) = (settings.clone(), new_ranger(&psi, settings), cancel.clone());
        Ok(ModuleParametrization { settings, modules, psi, ranger, cancel, forward, vjp })
    }

    /// ∂L_total/∂ψ of the last step, in the order of [`Modules::parameters`].
    pub fn gradients(&self) -> Result<Vec<ArrayD<f32>>> {
        self.vjp.with_data("d.psi", |d| self.modules.unflatten(d))?
    }

    /// θ' − θ with the current ψ, by weight name, in the generator's order.
    pub fn weight_changes(&mut self) -> Result<Vec<(String, ArrayD<f32>)>> {
        self.apply()?;
        let change = |spec: &WeightSpec| {
            let theta = self.forward.get(&format!("theta.{}", spec.name))?;
            Ok((spec.name.clone(), self.forward.get(&format!("tuned.{}", spec.name))? - theta))
        };
        self.modules.weights().iter().map(change).collect()
    }
}

impl Parametrization for ModuleParametrization {
    fn apply(&mut self) -> Result<()> {
        self.forward.run(&self.cancel) // θ' = θ ⊙ (1 + M_ψ(g))   (Eq. 2)
    }

    fn update(&mut self, step: usize) -> Result<()> {
        self.vjp.run(&self.cancel)?; // ∂L_total/∂ψ
        let gradients = self.gradients()?;
        self.ranger.set_learning_rate(self.settings.learning_rate_at(step));
        self.ranger.step(&mut self.psi, gradients);
        self.forward.set("psi", &flatten(&self.psi))
    }
}

/// A GANI tuning run: both terms of Eq. 5 and the modules. [`gani`] runs it to the end; [`Tuner::step`] runs single steps.
pub struct Tuner {
    settings: TuneSettings,
    loss: TotalLoss,
    parametrization: ModuleParametrization,
    step: usize,
}

impl Tuner {
    /// Prepares tuning at the photo's latent `ws` `[n·512]`, with an initial ψ from `seed`.
    pub fn new(problem: &Problem<'_>, ws: &[f32], settings: &TuneSettings, seed: u64) -> Result<Tuner> {
        let mut loss = TotalLoss::new(problem, ws, &settings.loss_weights, &settings.localization_weights())?;
        let parametrization = ModuleParametrization::new(problem, &mut loss, settings, seed)?;
        Ok(Tuner { settings: settings.clone(), loss, parametrization, step: 0 })
    }

    /// One iteration of Algorithm 1 with the sample `z` `[512]`.
    pub fn step(&mut self, z: &[f32]) -> Result<StepLosses> {
        let lambdas = |step| self.settings.lambdas_at(step);
        let schedule = Schedule::new(self.settings.iterations, &lambdas);
        let (losses, _) = tuning_step(&mut self.loss, &mut self.parametrization, &schedule, self.step, z)?;
        self.step += 1;
        Ok(losses)
    }

    /// ∂L(I, G(w, θ))/∂θ of a weight: the modules' constant input g.
    pub fn initial_gradient(&self, weight: &str) -> Result<ArrayD<f32>> {
        self.parametrization.forward.get(&format!("g.{weight}"))
    }

    /// ∂L_total/∂ψ of the last step, in the order of [`Modules::parameters`].
    pub fn gradients(&self) -> Result<Vec<ArrayD<f32>>> {
        self.parametrization.gradients()
    }

    /// ψ.
    pub fn parameters(&self) -> &[ArrayD<f32>] {
        &self.parametrization.psi
    }

    /// Replaces ψ and restarts the optimizer.
    pub fn set_parameters(&mut self, psi: Vec<ArrayD<f32>>) -> Result<()> {
        let p = &mut self.parametrization;
        p.forward.set("psi", &flatten(&psi))?;
        p.ranger = new_ranger(&psi, &self.settings);
        p.psi = psi;
        self.step = 0;
        Ok(())
    }

    /// The modules.
    pub fn modules(&self) -> &Modules {
        &self.parametrization.modules
    }

    /// The two terms of Eq. 5, as the last step left them.
    pub fn loss(&self) -> &TotalLoss {
        &self.loss
    }

    /// θ' − θ with the current ψ, by weight name, in the generator's order.
    pub fn weight_changes(&mut self) -> Result<Vec<(String, ArrayD<f32>)>> {
        self.parametrization.weight_changes()
    }
}

/// GANI at the photo's latent `ws` `[n·512]`: Algorithm 1 for all of `settings.iterations`. ψ and z come from `seed`.
///
/// # Errors
/// [`Error::Runtime`](crate::Error::Runtime) if a run fails or the loss is not finite; [`Error::Cancelled`](crate::Error::Cancelled).
pub fn gani(
    problem: &Problem<'_>,
    ws: &[f32],
    settings: &TuneSettings,
    seed: u64,
    on_step: impl FnMut(usize, &StepLosses, &TotalLoss) -> Result<()>,
) -> Result<TuningResult> {
    let mut tuner = Tuner::new(problem, ws, settings, seed)?;
    let lambdas = |step| settings.lambdas_at(step);
    let z = latents(seeded(seed, 1), tuner.loss.z_dim()?); // a stream of its own: z does not depend on the size of ψ
    let history = tune(
        &mut tuner.loss,
        &mut tuner.parametrization,
        &Schedule::new(settings.iterations, &lambdas),
        z,
        on_step,
    )?;
    Ok(TuningResult {
        weight_changes: tuner.weight_changes()?,
        parameters: tuner.modules().parameter_count(),
        terms: tuner.loss.terms().to_vec(),
        history,
    })
}

fn new_ranger(psi: &[ArrayD<f32>], settings: &TuneSettings) -> Ranger {
    Ranger::new(psi, RangerOptions { learning_rate: settings.learning_rate, ..Default::default() })
}

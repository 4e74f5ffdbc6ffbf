//! The two terms of Eq. 5, bound and ready to run:
//! L_total = λe·L(I, G(w, θ')) + λl·L(G(f(z), θ), G(f(z), θ')).
//!
//! The first is the reconstruction of the photo. The second is localization: at other latents the tuned generator must give the
//! images of the original one. All tuning methods use both terms. They differ only in how θ' is parametrized.

use super::similarity::{SimilarityLoss, Wrt, set_theta};
use crate::runtime::{Binding, Cancel, Runtime, Session};
use crate::settings::LossWeights;
use crate::util::tensor::{as_image, repeat};
use crate::{Error, Result};
use gani_onnx::Graph;
use ndarray::{Array4, ArrayD};

/// The inversion problem: what every gradient-based stage needs.
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// Runs the graphs.
    pub runtime: &'a Runtime,
    /// The generator and the loss of Eq. 1.
    pub loss: &'a SimilarityLoss,
    /// The photo's features, see [`target_features`].
    pub target: &'a Binding,
    /// f: z `[1,k]`, standard normal → w. `None` if the bundle cannot sample latents.
    pub mapping: Option<&'a Graph>,
    /// The mean of w, `[512]`.
    pub w_avg: &'a [f32],
    /// Stops the work.
    pub cancel: &'a Cancel,
}

/// Both terms of Eq. 5 at the weights θ'. Until θ' is aliased to another graph's output, it is the generator's own θ.
///
/// Both terms write one gradient: [`TotalLoss::run_reconstruction`] starts it and [`TotalLoss::run_localization`] adds to it.
pub struct TotalLoss {
    terms: Vec<String>,
    /// λ1…λ4 of the reconstruction and of the localization.
    lambdas: [Vec<f32>; 2],
    total: f32,
    cancel: Cancel,
    pub(crate) reconstruction: Binding,
    pub(crate) localization: Binding,
    mapping: Option<Binding>,
    /// The original generator's features at a sampled latent.
    reference: Binding,
}

impl TotalLoss {
    /// Binds both terms at the photo's latent `ws` `[n·512]`. `weights` are λ1…λ4 of the reconstruction.
    /// `localization_weights` are those of the localization, which may leave terms out.
    ///
    /// # Errors
    /// [`Error::Model`] or [`Error::Runtime`] if ONNX Runtime rejects a graph; [`Error::Input`] for a latent of another size.
    pub fn new(
        problem: &Problem<'_>,
        ws: &[f32],
        weights: &LossWeights,
        localization_weights: &LossWeights,
    ) -> Result<TotalLoss> {
        let Problem { runtime, loss, target, cancel, .. } = *problem;
        // One session with two bindings: a second session would cost its load time and a second copy of its constants.
        let loss_gradient = runtime.compile("loss gradient", &loss.accumulate_gradient(weights)?)?;
        let (mut reconstruction, mut localization) = (loss_gradient.bind()?, loss_gradient.bind()?);
        let terms = term_names(&reconstruction);
        let lambdas = [weights, localization_weights].map(|w| w.lambdas(&terms));
        reconstruction.set("accumulate", &[0.0])?;
        localization.set("accumulate", &[1.0])?;
        let mut reference = runtime.compile("reference", &loss.reference(weights)?)?.bind()?;
        let mapping = problem.mapping.map(|graph| runtime.compile("mapping", graph)?.bind()).transpose()?;
        reconstruction.set("ws", ws)?;
        reconstruction.alias_inputs(target, "target.")?;
        localization.alias_inputs(&reference, "target.")?;
        set_theta(&mut reference, &loss.generator, &loss.tunable)?;
        for name in &loss.tunable {
            let theta = format!("theta.{name}");
            reconstruction.alias_input(&theta, &reference, &theta)?;
            localization.alias_input(&theta, &reference, &theta)?;
            let (grad_in, gradient) = (format!("grad_in.{name}"), format!("d.{name}"));
            reconstruction.set(&grad_in, &vec![0.0; reconstruction.input_len(&grad_in)?])?;
            reconstruction.alias_output(&gradient, &grad_in)?;
            localization.alias_input(&grad_in, &reconstruction, &gradient)?;
            localization.alias_output(&gradient, &grad_in)?;
        }
        let cancel = cancel.clone();
        Ok(TotalLoss { terms, lambdas, total: 0.0, cancel, reconstruction, localization, mapping, reference })
    }

    /// Names of the terms of Eq. 1, in the order of [`StepLosses`](super::StepLosses).
    pub fn terms(&self) -> &[String] {
        &self.terms
    }

    /// Computes `lambda`·L(I, G(w, θ')) and its gradient with respect to θ'. Returns the unweighted terms.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the run fails; [`Error::Cancelled`].
    pub fn run_reconstruction(&mut self, lambda: f32) -> Result<Vec<f32>> {
        self.reconstruction.set("lambda", &scaled(lambda, &self.lambdas[0]))?;
        self.reconstruction.run(&self.cancel)?;
        self.total = self.reconstruction.with_data("loss", first)?;
        read_terms(&self.reconstruction, &self.terms)
    }

    /// Computes L(I, G(w', θ')) and its gradient at another latent w' `[512]`. The next [`TotalLoss::run_reconstruction`] is at
    /// the photo's latent again.
    pub(crate) fn run_reconstruction_at(&mut self, w: &[f32]) -> Result<()> {
        let own = self.reconstruction.with_data("ws", <[f32]>::to_vec)?;
        let ws = repeat(w, own.len());
        self.reconstruction.set("ws", &ws)?;
        self.run_reconstruction(1.0)?;
        self.reconstruction.set("ws", &own)
    }

    /// Computes `lambda`·L(G(w', θ), G(w', θ')) at another latent, w' `[512]` or w+ `[n·512]`, and adds its gradient to that of
    /// the last [`TotalLoss::run_reconstruction`]. Returns the unweighted terms.
    ///
    /// # Errors
    /// [`Error::Runtime`] if a run fails; [`Error::Cancelled`].
    pub fn run_localization(&mut self, lambda: f32, w: &[f32]) -> Result<Vec<f32>> {
        let ws = repeat(w, self.reference.input_len("ws")?);
        self.reference.set("ws", &ws)?;
        self.reference.run(&self.cancel)?; // G(w', θ)
        self.localization.set("ws", &ws)?;
        self.localization.set("lambda", &scaled(lambda, &self.lambdas[1]))?;
        self.localization.run(&self.cancel)?;
        self.total += self.localization.with_data("loss", first)?;
        read_terms(&self.localization, &self.terms)
    }

    /// The mapping network: f(z) `[512]` of a latent z.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the bundle cannot sample latents.
    pub fn mapping(&mut self, z: &[f32]) -> Result<Vec<f32>> {
        let mapping = self.mapping.as_mut().ok_or_else(|| {
            Error::Unsupported(
                "the localization loss samples latents f(z), and this model has no mapping network; set λl to 0"
                    .into(),
            )
        })?;
        mapping.set("z", z)?;
        mapping.run(&self.cancel)?;
        mapping.with_data("w", <[f32]>::to_vec)
    }

    /// Length of z; 0 if the bundle cannot sample latents.
    pub fn z_dim(&self) -> Result<usize> {
        self.mapping.as_ref().map_or(Ok(0), |mapping| mapping.input_len("z"))
    }

    /// L_total of the last runs   (Eq. 5).
    ///
    /// # Errors
    /// [`Error::Runtime`] if it is not finite.
    pub fn total(&self, step: usize) -> Result<f32> {
        if !self.total.is_finite() {
            let terms = read_terms(&self.reconstruction, &self.terms)?;
            return Err(Error::Runtime(format!(
                "the loss is not finite at step {step} ({terms:?}); use a smaller learning rate"
            )));
        }
        Ok(self.total)
    }

    /// G(w, θ') of the last [`TotalLoss::run_reconstruction`], `[1,3,R,R]`.
    pub fn image(&self) -> Result<Array4<f32>> {
        as_image(self.reconstruction.get("image")?)
    }
}

/// The features of a target photo `[1,3,R,R]`, bound as inputs for the loss graphs.
pub fn target_features(
    runtime: &Runtime,
    loss: &SimilarityLoss,
    weights: &LossWeights,
    photo: &ArrayD<f32>,
    cancel: &Cancel,
) -> Result<Binding> {
    let mut features = runtime.compile("target features", &loss.features(weights)?)?.bind()?;
    features.set_array("image", photo)?;
    features.run(cancel)?;
    Ok(features)
}

/// A session of [`SimilarityLoss::loss_gradient`].
pub fn loss_gradient(
    runtime: &Runtime,
    loss: &SimilarityLoss,
    weights: &LossWeights,
    wrt: Wrt,
) -> Result<Session> {
    let name = match wrt {
        Wrt::Weights => "loss gradient",
        Wrt::Latent => "latent loss",
        Wrt::LatentAndNoise => "latent and noise loss",
    };
    runtime.compile(name, &loss.loss_gradient(weights, wrt)?)
}

/// Names of the terms that a loss graph computes: its outputs other than the sum, the image and the gradients.
pub(crate) fn term_names(loss: &Binding) -> Vec<String> {
    let names = loss.session().outputs().iter().map(|p| p.name.clone());
    names.filter(|n| n != "loss" && n != "image" && !n.starts_with("d.")).collect()
}

pub(crate) fn read_terms(loss: &Binding, terms: &[String]) -> Result<Vec<f32>> {
    terms.iter().map(|name| loss.with_data(name, first)).collect()
}

fn scaled(factor: f32, values: &[f32]) -> Vec<f32> {
    values.iter().map(|v| factor * v).collect()
}

fn first(values: &[f32]) -> f32 {
    values.first().copied().unwrap_or(f32::NAN)
}

//! Settings of the stages of an inversion: latent refinement, tuning, the modules, StyleGAN2's projector, PTI.

use super::{LocalizationLoss, LossWeights, PixelLoss};
use serde::{Deserialize, Serialize};

/// Refinement of the encoder's latent by gradient, see [`crate::invert::refine`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefineSettings {
    /// Steps in W.
    pub steps_w: usize,
    /// Steps in W+, after those in W.
    pub steps_w_plus: usize,
    /// Adam's initial learning rate. It falls to a tenth along a cosine.
    pub learning_rate: f32,
    /// Weight of mean_l ‖w_l − mean_l w‖², in W+ (the delta regularization of e4e, Tov et al. 2021, Eq. 3).
    #[serde(alias = "spread_penalty")]
    pub delta_regularization: f32,
}

/// Steps in W and in W+ that bring the mean latent to about the loss that an encoder and its refinement reach. On one photo,
/// 80 and 60 steps reduced the loss from .71 to .15 and .07.
const STEPS_FROM_THE_MEAN: [usize; 2] = [100, 80];

impl RefineSettings {
    /// Sets the number of steps: half of them in W, the rest in W+.
    pub fn set_steps(&mut self, steps: usize) {
        self.steps_w = steps / 2;
        self.steps_w_plus = steps - steps / 2;
    }

    /// The same settings with enough steps to find the latent from the mean of W: for bundles without an encoder.
    pub fn from_mean_latent(&self) -> RefineSettings {
        RefineSettings {
            steps_w: self.steps_w.max(STEPS_FROM_THE_MEAN[0]),
            steps_w_plus: self.steps_w_plus.max(STEPS_FROM_THE_MEAN[1]),
            ..self.clone()
        }
    }
}

/// Tuning of the generator's weights by the methods `gani` and `direct`: Algorithm 1 and Eq. 5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TuneSettings {
    /// Tuning steps.
    pub iterations: usize,
    /// Initial learning rate: Ranger's on ψ with `gani`; Adam's on θ, relative to each weight's root mean square, with
    /// `direct`.
    pub learning_rate: f64,
    /// Final fraction of the steps over which the learning rate falls to 0 along a half cosine, 0 to 1; 0: constant.
    #[serde(alias = "cool_down")]
    pub lr_rampdown: f64,
    /// The gradient modification modules of the method `gani`.
    pub module: ModuleSettings,
    /// λ1…λ4 of Eq. 1 and its pixel term.
    #[serde(alias = "weights")]
    pub loss_weights: LossWeights,
    /// λe of Eq. 5.
    #[serde(alias = "lambda_edit")]
    pub lambda_reconstruction: f32,
    /// λl of Eq. 5.
    #[serde(alias = "lambda_local")]
    pub lambda_localization: f32,
    /// Terms of the localization loss.
    #[serde(alias = "localisation")]
    pub localization: LocalizationLoss,
    /// k ≥ 1: the localization loss is computed in every k-th step only, with the weight k·λl.
    #[serde(alias = "local_every")]
    pub localization_interval: usize,
    /// `direct` only, 0 to 1: exponent of the Fisher information by which steps avoid weights that other faces depend on;
    /// 0: plain Adam.
    #[serde(default, alias = "spare")]
    pub fisher_power: f32,
}

impl TuneSettings {
    /// λ1…λ4 of the localization loss.
    pub fn localization_weights(&self) -> LossWeights {
        match self.localization {
            LocalizationLoss::Full => self.loss_weights.clone(),
            LocalizationLoss::PixelAndLpips => self.loss_weights.pixel_and_lpips(),
        }
    }

    /// λe and λl of `step`, from 0. λl is 0 in steps without localization.
    pub fn lambdas_at(&self, step: usize) -> [f32; 2] {
        let interval = self.localization_interval.max(1);
        let due = step.is_multiple_of(interval);
        let localization = if due { self.lambda_localization * interval as f32 } else { 0.0 };
        [self.lambda_reconstruction, localization]
    }

    /// The learning rate of `step`, from 0: constant, then a half cosine over the last steps.
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        let steps = self.iterations as f64;
        let left = (steps - step as f64) / (steps * self.lr_rampdown).max(1.0);
        self.learning_rate * (0.5 * (1.0 - (std::f64::consts::PI * left.min(1.0)).cos()))
    }
}

/// A normalization of the vectors that a module maps (Table 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// ScaleNorm (Nguyen and Salazar 2019) over the c_in channels: g·x/max(‖x‖, 1e-5), with one learned scalar g.
    Scale,
    /// ScaleNorm over the k·k taps of a kernel. The paper does not state the axis.
    #[serde(alias = "taps")]
    Spatial,
    /// Instance normalization (x − mean)/√(var + 1e-5), nothing learned.
    Instance,
    /// None.
    None,
}

impl Norm {
    /// Whether it has a learned scalar g.
    pub fn is_learned(self) -> bool {
        matches!(self, Norm::Scale | Norm::Spatial)
    }
}

/// Initialization of a module's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// W₂ and b are zero and M(g) excludes its input g, so that θ' = θ before the first step.
    Zero,
    /// As published: Kaiming normal × 0.1, b uniform in ±1/√c. θ' starts about 10 % away from θ.
    Kaiming,
}

/// The structure that all modules share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleSettings {
    /// L, the number of residual blocks (1 to 4 in Table 7).
    pub blocks: usize,
    /// SN₁ of Eq. 3: normalization of the block's input.
    #[serde(alias = "before")]
    pub pre_norm: Norm,
    /// SN₂ of Eq. 3: normalization between the block's two matrix products.
    #[serde(alias = "inside")]
    pub post_norm: Norm,
    /// Initial parameters.
    #[serde(alias = "start")]
    pub init: Init,
    /// Initial scalar g of every ScaleNorm; `None`: √n for vectors of length n.
    #[serde(default)]
    pub gain: Option<f32>,
}

/// The latent space of a projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// One w for all style layers.
    W,
    /// One w for each style layer.
    WPlus,
}

/// StyleGAN2's projector, see [`crate::invert::projector`]; names as in the `projector.py` of its PyTorch release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProjectorSettings {
    /// The latent space.
    pub space: Space,
    /// Steps.
    pub steps: usize,
    /// Adam's learning rate between ramp-up and ramp-down.
    pub learning_rate: f32,
    /// Standard deviation of the noise added to w in the first step, in standard deviations of W. It falls to 0 over three
    /// quarters of the steps.
    #[serde(alias = "exploration")]
    pub initial_noise_factor: f32,
    /// Weight of the noise maps' regularization.
    #[serde(alias = "noise_regularisation")]
    pub regularize_noise_weight: f32,
}

impl ProjectorSettings {
    /// StyleGAN2's own: 1,000 steps with learning rate 0.1.
    pub fn stylegan2(space: Space) -> ProjectorSettings {
        ProjectorSettings {
            space,
            steps: 1000,
            learning_rate: 0.1,
            initial_noise_factor: 0.05,
            regularize_noise_weight: 1e5,
        }
    }

    /// The pivot of PTI: 450 steps with learning rate 0.01 in W.
    pub fn pivot() -> ProjectorSettings {
        ProjectorSettings { steps: 450, learning_rate: 0.01, ..ProjectorSettings::stylegan2(Space::W) }
    }
}

impl Default for ProjectorSettings {
    fn default() -> ProjectorSettings {
        ProjectorSettings::stylegan2(Space::W)
    }
}

/// Pivotal tuning (PTI, Roich et al. 2022), see [`crate::invert::pivotal_tuning`]. The default is its published release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PtiSettings {
    /// Maximum number of steps.
    pub iterations: usize,
    /// Adam's learning rate.
    pub learning_rate: f32,
    /// Tuning stops when LPIPS is at most this; 0: never.
    pub stop_at_lpips: f32,
    /// Weights of the pixel term and of LPIPS.
    #[serde(alias = "weights")]
    pub loss_weights: LossWeights,
    /// Weight of the locality regularization; 0 in the published release.
    #[serde(alias = "lambda_local")]
    pub lambda_localization: f32,
}

impl Default for PtiSettings {
    fn default() -> PtiSettings {
        let loss_weights = LossWeights {
            full_resolution: true,
            ..LossWeights::new(PixelLoss::L2, [("pixel", 1.0), ("lpips", 1.0)])
        };
        PtiSettings {
            iterations: 350,
            learning_rate: 3e-4,
            stop_at_lpips: 0.06,
            loss_weights,
            lambda_localization: 0.0,
        }
    }
}

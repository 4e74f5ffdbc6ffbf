//! The weights λ of Eq. 1 and the form of its pixel term.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The pixel term of Eq. 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PixelLoss {
    /// Mean of d².
    L2,
    /// Mean of 0.5 d²/β where |d| < β and of |d| − β/2 elsewhere, with β = 0.1 (Girshick 2015).
    SmoothL1,
}

/// Which terms of Eq. 1 the localization loss uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LocalizationLoss {
    /// All of them, as published.
    Full,
    /// The pixel and LPIPS terms only: cheaper, and identity and parsing features may follow the photo.
    #[serde(alias = "cheap")]
    PixelAndLpips,
}

/// The weights of Eq. 1: L = Σ λ_term · L_term.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredLossWeights")]
pub struct LossWeights {
    /// Form of the pixel term.
    pub pixel: PixelLoss,
    /// The pixel term compares images at the generator's resolution, not at the loss resolution. Otherwise no term
    /// constrains frequencies above the loss resolution, and at 1024 px a grid of single pixels appears on the skin.
    pub full_resolution: bool,
    /// Weight ≥ 0, within the pixel term, of the squared gradient difference mean |∇(x − t)|² (Mathieu, Couprie and LeCun
    /// 2016). It applies where the pixel term compares a larger image than the other terms do: a mean of squares alone
    /// hardly penalizes grids and streaks of single pixels.
    pub gradient_difference: f32,
    /// λ ≥ 0 of each term by name: `pixel` and the `kind` of each of the bundle's loss networks (`lpips`, `identity`,
    /// `parsing`, …). A term without an entry has the weight 0 and is not computed.
    pub lambda: BTreeMap<String, f32>,
}

impl LossWeights {
    /// A pixel term at the loss resolution and these λ by term name.
    pub fn new<const N: usize>(pixel: PixelLoss, lambda: [(&str, f32); N]) -> LossWeights {
        let lambda = lambda.into_iter().map(|(term, value)| (term.to_owned(), value)).collect();
        LossWeights { pixel, full_resolution: false, gradient_difference: 0.0, lambda }
    }

    /// λ of a term; 0 where it has none.
    pub fn lambda(&self, term: &str) -> f32 {
        self.lambda.get(term).copied().unwrap_or(0.0)
    }

    /// λ of each of `terms`, in their order.
    pub fn lambdas(&self, terms: &[String]) -> Vec<f32> {
        terms.iter().map(|term| self.lambda(term)).collect()
    }

    /// The same weights, with the pixel and LPIPS terms only.
    pub fn pixel_and_lpips(&self) -> LossWeights {
        let mut weights = self.clone();
        weights.lambda.retain(|term, _| matches!(term.as_str(), "pixel" | "lpips"));
        weights
    }
}

/// [`LossWeights`] as files hold them: today's form, and that of files written before λ became a map.
#[derive(Deserialize)]
struct StoredLossWeights {
    pixel: PixelLoss,
    full_resolution: bool,
    #[serde(default, alias = "edges")]
    gradient_difference: f32,
    #[serde(default)]
    lambda: BTreeMap<String, f32>,
    lambda_pixel: Option<f32>,
    lambda_lpips: Option<f32>,
    lambda_identity: Option<f32>,
    lambda_parsing: Option<f32>,
}

impl From<StoredLossWeights> for LossWeights {
    fn from(stored: StoredLossWeights) -> LossWeights {
        let StoredLossWeights { pixel, full_resolution, gradient_difference, mut lambda, .. } = stored;
        let old = [
            ("pixel", stored.lambda_pixel),
            ("lpips", stored.lambda_lpips),
            ("identity", stored.lambda_identity),
            ("parsing", stored.lambda_parsing),
        ];
        lambda.extend(old.into_iter().filter_map(|(term, value)| Some((term.to_owned(), value?))));
        LossWeights { pixel, full_resolution, gradient_difference, lambda }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_one_field_per_lambda_are_read() {
        let old = r#"{"pixel":"l2","full_resolution":true,"edges":1.0,"lambda_pixel":4.0,"lambda_lpips":0.8,
            "lambda_identity":0.1,"lambda_parsing":0.0}"#;
        let weights: LossWeights = serde_json::from_str(old).unwrap();
        assert_eq!((weights.gradient_difference, weights.lambda("pixel")), (1.0, 4.0));
        assert_eq!((weights.lambda("identity"), weights.lambda("unknown")), (0.1, 0.0));
        let text = serde_json::to_string(&weights).unwrap();
        assert_eq!(serde_json::from_str::<LossWeights>(&text).unwrap(), weights);
        assert_eq!(weights.pixel_and_lpips().lambda.len(), 2);
    }
}

//! Table 1 of the paper: iterations, λe, λl and λ1…λ4 of each dataset, with the pixel loss of §4.

use super::{LossWeights, PixelLoss};
use crate::{Error, Result};

/// A row of Table 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Domain {
    /// `celeba-hq`, `afhq-wild`, `cars`, `horses`, `church`.
    pub name: &'static str,
    /// Iterations of Algorithm 1.
    pub iterations: usize,
    /// λe of Eq. 5.
    pub lambda_reconstruction: f32,
    /// λl of Eq. 5.
    pub lambda_localization: f32,
    /// λ1 … λ4 of Eq. 1 (pixel, LPIPS, identity, parsing) and the pixel loss.
    pub loss_weights: LossWeights,
}

/// Names of all domains, in the order of Table 1.
pub const NAMES: [&str; 5] = ["celeba-hq", "afhq-wild", "cars", "horses", "church"];

/// The row called `name`.
///
/// # Errors
/// [`Error::Input`] for an unknown name, listing the known ones.
pub fn domain(name: &str) -> Result<Domain> {
    use PixelLoss::{L2, SmoothL1};
    //                                iterations, pixel, λe, λl, [λ1, λ2, λ3, λ4]
    let (name, iterations, pixel, lambda_e, lambda_l, [l1, l2, l3, l4]) = match name {
        "celeba-hq" => ("celeba-hq", 300, L2, 1.0, 0.2, [1.0, 0.8, 0.1, 1.0]),
        "afhq-wild" => ("afhq-wild", 300, L2, 1.0, 0.2, [1.0, 0.8, 0.1, 1.0]),
        "cars" => ("cars", 400, SmoothL1, 1.0, 0.2, [1.0, 0.8, 0.1, 0.0]),
        "horses" => ("horses", 800, SmoothL1, 1.0, 0.2, [1.0, 0.8, 0.1, 0.0]),
        "church" => ("church", 800, SmoothL1, 1.0, 0.2, [1.0, 0.8, 0.1, 0.0]),
        _ => {
            let known = NAMES.join(", ");
            return Err(Error::Input(format!("unknown domain `{name}`; choose one of {known}")));
        }
    };
    let lambda = [("pixel", l1), ("lpips", l2), ("identity", l3), ("parsing", l4)];
    Ok(Domain {
        name,
        iterations,
        lambda_reconstruction: lambda_e,
        lambda_localization: lambda_l,
        loss_weights: LossWeights::new(pixel, lambda),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table 1 as printed, and the pixel losses of the text below it.
    #[test]
    fn the_rows_are_those_of_table_1() {
        for (name, iterations, pixel, lambdas) in [
            ("celeba-hq", 300, PixelLoss::L2, [1.0, 0.8, 0.1, 1.0]),
            ("afhq-wild", 300, PixelLoss::L2, [1.0, 0.8, 0.1, 1.0]),
            ("cars", 400, PixelLoss::SmoothL1, [1.0, 0.8, 0.1, 0.0]),
            ("horses", 800, PixelLoss::SmoothL1, [1.0, 0.8, 0.1, 0.0]),
            ("church", 800, PixelLoss::SmoothL1, [1.0, 0.8, 0.1, 0.0]),
        ] {
            let row = domain(name).unwrap();
            assert_eq!((row.name, row.iterations), (name, iterations));
            assert_eq!((row.lambda_reconstruction, row.lambda_localization), (1.0, 0.2), "{name}");
            assert_eq!(row.loss_weights.pixel, pixel, "{name}");
            let found = ["pixel", "lpips", "identity", "parsing"].map(|term| row.loss_weights.lambda(term));
            assert_eq!(found, lambdas, "{name}");
        }
        assert!(domain("faces").unwrap_err().to_string().contains("celeba-hq"));
    }
}

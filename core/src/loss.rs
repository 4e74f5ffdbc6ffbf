//! The loss: Eq. 1 as graphs ([`similarity`]), Eq. 5 bound to the runtime ([`total`]), the values of each step.

mod history;
pub mod similarity;
pub mod total;

pub use history::StepLosses;
pub use similarity::{Distance, LossNetwork, SimilarityLoss, Wrt};
pub use total::{Problem, TotalLoss, target_features};

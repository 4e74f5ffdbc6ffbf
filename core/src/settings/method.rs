//! The inversion methods. They run the same graphs, so that they can be compared.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// An inversion method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Direct tuning: the loss and schedule of [`Method::Gani`], but Adam on the weights themselves, without modules. Steps
    /// avoid weights that other images depend on. See [`crate::invert::direct`].
    Direct,
    /// Gradient modification modules, as in the paper. See [`crate::invert::gani`].
    Gani,
    /// PTI: a projection to W, then Adam on the weights. See [`crate::invert::pivotal_tuning`].
    Pti,
    /// Latent optimization in W. See [`crate::invert::projector`].
    W,
    /// Latent optimization in W+. See [`crate::invert::projector`].
    #[serde(rename = "w+")]
    WPlus,
    /// The encoder's latent, unchanged.
    Encoder,
    /// ReStyle: the encoder, applied repeatedly to the photo and its own last reconstruction. See
    /// [`crate::invert::restyle`].
    Restyle,
}

impl Method {
    /// All methods, in the order of the documentation.
    pub const ALL: [Method; 7] = [
        Method::Gani,
        Method::Direct,
        Method::Pti,
        Method::W,
        Method::WPlus,
        Method::Encoder,
        Method::Restyle,
    ];

    /// Name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Method::Direct => "direct",
            Method::Gani => "gani",
            Method::Pti => "pti",
            Method::W => "w",
            Method::WPlus => "w+",
            Method::Encoder => "encoder",
            Method::Restyle => "restyle",
        }
    }
}

impl std::str::FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Method> {
        Method::ALL.into_iter().find(|m| m.name() == text).ok_or_else(|| {
            let names = Method::ALL.map(Method::name).join(", ");
            Error::Input(format!("unknown method `{text}`; choose one of {names}"))
        })
    }
}

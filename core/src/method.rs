//! The inversion methods that gani has, to compare them on the same graphs.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A way to put a photo inside the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The loss and schedule of [`Method::Gani`] on the weights themselves, without modules, sparing those that other faces
    /// depend on, see [`crate::direct`].
    Direct,
    /// Gradient modification modules, the paper's, see [`crate::tune`].
    Gani,
    /// Pivotal tuning: a projection to W, then Adam on the weights, see [`crate::pti`].
    Pti,
    /// Latent optimisation in W, see [`crate::project`].
    W,
    /// Latent optimisation in W+, see [`crate::project`].
    #[serde(rename = "w+")]
    WPlus,
    /// The encoder's latent as it is.
    Encoder,
    /// The encoder, fed with the photo and its own last result, see [`crate::restyle`].
    Restyle,
}

impl Method {
    /// All, in the order of the documentation.
    pub const ALL: [Method; 7] = [
        Method::Gani,
        Method::Direct,
        Method::Pti,
        Method::W,
        Method::WPlus,
        Method::Encoder,
        Method::Restyle,
    ];

    /// The name on the command line.
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
            Error::Input(format!("no method is called `{text}`; there are {names}"))
        })
    }
}

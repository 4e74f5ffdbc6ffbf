//! How near a result is to its target, measured as HyperStyle's evaluation does: MSE, LPIPS, MS-SSIM, identity.
//!
//! Everything but the identity is measured at 256 px after a Pillow-like bilinear reduction; the identity is
//! measured on face crops that landmarks align, each image for itself.

mod identity;
mod ms_ssim;

pub use identity::{Identity, cosine};
pub use ms_ssim::ms_ssim;

use ndarray::ArrayView4;
use serde::{Deserialize, Serialize};

use crate::photo::resize;
use crate::runtime::{Cancel, Session};
use crate::{Error, Result};

/// Resolution in pixels at which images are compared.
pub const RESOLUTION: usize = 256;

/// What [`measure`] found. Written to JSON as it stands; what could not be measured is `null`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Mean squared error of values in `[-1,1]`: 0 for equal images.
    pub mse: f64,
    /// LPIPS distance, 0 for equal images; `None` without that network.
    pub lpips: Option<f64>,
    /// MS-SSIM, 1 for equal images; `None` where the images are too unlike for it to exist.
    pub ms_ssim: Option<f64>,
    /// Cosine of the two faces' identity features, 1 for the same; `None` without that network or a face.
    pub id: Option<f64>,
}

impl std::fmt::Display for Metrics {
    /// `MSE 0.0031, LPIPS 0.0087, MS-SSIM 0.972, ID 0.94`; a dash for what could not be measured.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let show = |v: Option<f64>, digits: usize| v.map_or("-".into(), |v| format!("{v:.digits$}"));
        let (lpips, ms_ssim, id) = (show(self.lpips, 4), show(self.ms_ssim, 3), show(self.id, 3));
        write!(f, "MSE {:.4}, LPIPS {lpips}, MS-SSIM {ms_ssim}, ID {id}", self.mse)
    }
}

/// The networks that measure. Those left out leave their figure out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Networks<'n> {
    /// Two images `[1,3,256,256]` in `[-1,1]` to one number, their LPIPS distance.
    pub lpips: Option<&'n Session>,
    /// Face finder and identity features.
    pub identity: Option<Identity<'n>>,
}

/// Compares two images `[1,3,H,W]`, RGB in `[-1,1]`, of any sizes.
///
/// The order matters a little: see [`ms_ssim`].
///
/// # Errors
/// [`Error::Input`] for images of another shape; [`Error::Model`] for a network with unexpected inputs or outputs;
/// [`Error::Runtime`] and [`Error::Cancelled`] from the networks.
pub fn measure(
    result: ArrayView4<'_, f32>,
    target: ArrayView4<'_, f32>,
    networks: &Networks<'_>,
    cancel: &Cancel,
) -> Result<Metrics> {
    for image in [result, target] {
        let (batch, channels, height, width) = image.dim();
        if batch != 1 || channels != 3 || height == 0 || width == 0 {
            return Err(Error::Input(format!(
                "metrics compare images of shape [1, 3, H, W], this one is {:?}",
                image.shape()
            )));
        }
    }
    let small_result = resize(result, RESOLUTION, RESOLUTION);
    let small_target = resize(target, RESOLUTION, RESOLUTION);
    let lpips = match &networks.lpips {
        Some(network) => Some(lpips(network, small_result.view(), small_target.view(), cancel)?),
        None => None,
    };
    let id = match &networks.identity {
        Some(network) => network.compare(result, target, cancel)?,
        None => None,
    };
    Ok(Metrics {
        mse: mse(small_result.view(), small_target.view())?,
        lpips,
        ms_ssim: ms_ssim(small_result.view(), small_target.view())?,
        id,
    })
}

/// Compares two images `[1,3,H,W]` in `[-1,1]` of one size without reducing them; `lpips` is made for that size.
///
/// MS-SSIM is left out where a side is too short for it.
///
/// # Errors
/// As [`measure`], and [`Error::Input`] where the sizes differ.
pub fn measure_at_full_resolution(
    result: ArrayView4<'_, f32>,
    target: ArrayView4<'_, f32>,
    network: Option<&Session>,
    cancel: &Cancel,
) -> Result<Metrics> {
    let mse = mse(result, target)?;
    let large = result.shape()[2].min(result.shape()[3]) >= ms_ssim::SMALLEST;
    Ok(Metrics {
        mse,
        lpips: network.map(|n| lpips(n, result, target, cancel)).transpose()?,
        ms_ssim: if large { ms_ssim(result, target)? } else { None },
        id: None,
    })
}

/// Mean squared error of two arrays of one shape, summed in f64.
///
/// # Errors
/// [`Error::Input`] where the shapes differ.
pub fn mse(result: ArrayView4<'_, f32>, target: ArrayView4<'_, f32>) -> Result<f64> {
    if result.dim() != target.dim() {
        return Err(Error::Input(format!(
            "the mean squared error needs images of one size, these are {:?} and {:?}",
            result.shape(),
            target.shape()
        )));
    }
    let squares: f64 = result.iter().zip(target).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    Ok(squares / result.len() as f64)
}

fn lpips(
    network: &Session,
    result: ArrayView4<'_, f32>,
    target: ArrayView4<'_, f32>,
    cancel: &Cancel,
) -> Result<f64> {
    let [a, b] = network.inputs() else {
        return Err(Error::Model(format!(
            "{}: an LPIPS network has two inputs, this one has {}",
            network.name(),
            network.inputs().len()
        )));
    };
    let inputs = [(a.name.as_str(), result.into_dyn()), (b.name.as_str(), target.into_dyn())];
    let outputs = network.run(&inputs, cancel)?;
    let distance = outputs.first().and_then(|output| output.iter().next()).copied();
    distance.map(f64::from).ok_or_else(|| Error::Model(format!("{}: has no output", network.name())))
}

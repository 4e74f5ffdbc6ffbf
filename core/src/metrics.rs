//! Image similarity: MSE, LPIPS, MS-SSIM and identity, measured as in HyperStyle's evaluation.
//!
//! MSE, LPIPS and MS-SSIM compare images resized to 256 × 256 by Pillow's bilinear filter. Identity compares face crops, which
//! are detected and aligned in each image separately.

mod identity;
mod ms_ssim;

pub use identity::{Identity, cosine};
pub use ms_ssim::ms_ssim;

use ndarray::ArrayView4;
use serde::{Deserialize, Serialize};

use crate::photo::resize;
use crate::runtime::{Cancel, Session};
use crate::{Error, Result};

/// Width and height at which [`measure`] compares images, in pixels.
pub const RESOLUTION: usize = 256;

/// Results of [`measure`]. In JSON, metrics that were not measured are `null`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Mean squared error of values in `[-1,1]`; 0 for identical images.
    pub mse: f64,
    /// LPIPS distance; 0 for identical images. `None` without an LPIPS network.
    pub lpips: Option<f64>,
    /// MS-SSIM; 1 for identical images. `None` if it is undefined, because the images are too dissimilar or too small.
    pub ms_ssim: Option<f64>,
    /// Cosine similarity of the identity features; 1 for identical faces. `None` without an identity network or a face.
    pub id: Option<f64>,
}

impl std::fmt::Display for Metrics {
    /// `MSE 0.0031, LPIPS 0.0087, MS-SSIM 0.972, ID 0.940`, with a dash for metrics that were not measured.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let show = |v: Option<f64>, digits: usize| v.map_or("-".into(), |v| format!("{v:.digits$}"));
        let (lpips, ms_ssim, id) = (show(self.lpips, 4), show(self.ms_ssim, 3), show(self.id, 3));
        write!(f, "MSE {:.4}, LPIPS {lpips}, MS-SSIM {ms_ssim}, ID {id}", self.mse)
    }
}

/// The networks of the metrics. Without a network, its metric is not measured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Networks<'n> {
    /// Two images `[1,3,256,256]` in `[-1,1]` → their LPIPS distance.
    pub lpips: Option<&'n Session>,
    /// Face detection and identity features.
    pub identity: Option<Identity<'n>>,
}

/// Compares two images `[1,3,H,W]`, RGB in `[-1,1]`, of any size.
///
/// The order of the images matters for [`ms_ssim`].
///
/// # Errors
/// [`Error::Input`] for images of another shape; [`Error::Model`] for a network with unexpected inputs or outputs;
/// [`Error::Runtime`] and [`Error::Cancelled`] if a network fails or is canceled.
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
                "metrics need images of shape [1, 3, H, W], but this image has {:?}",
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

/// Compares two images `[1,3,H,W]` in `[-1,1]` of the same size without resizing them. `network` is an LPIPS network for this
/// size.
///
/// MS-SSIM is not measured if a side is less than 176 pixels.
///
/// # Errors
/// Those of [`measure`]; [`Error::Input`] if the sizes differ.
pub fn measure_at_full_resolution(
    result: ArrayView4<'_, f32>,
    target: ArrayView4<'_, f32>,
    network: Option<&Session>,
    cancel: &Cancel,
) -> Result<Metrics> {
    let mse = mse(result, target)?;
    let large = result.shape()[2].min(result.shape()[3]) >= ms_ssim::MIN_SIDE;
    Ok(Metrics {
        mse,
        lpips: network.map(|n| lpips(n, result, target, cancel)).transpose()?,
        ms_ssim: if large { ms_ssim(result, target)? } else { None },
        id: None,
    })
}

/// Mean squared error of two arrays of the same shape, summed in f64.
///
/// # Errors
/// [`Error::Input`] if the shapes differ.
pub fn mse(result: ArrayView4<'_, f32>, target: ArrayView4<'_, f32>) -> Result<f64> {
    if result.dim() != target.dim() {
        return Err(Error::Input(format!(
            "the mean squared error needs images of the same size, but these are {:?} and {:?}",
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
            "{}: an LPIPS network has two inputs, but this one has {}",
            network.name(),
            network.inputs().len()
        )));
    };
    let inputs = [(a.name.as_str(), result.into_dyn()), (b.name.as_str(), target.into_dyn())];
    let outputs = network.run(&inputs, cancel)?;
    let distance = outputs.first().and_then(|output| output.iter().next()).copied();
    distance
        .map(f64::from)
        .ok_or_else(|| Error::Model(format!("{}: the network has no output", network.name())))
}

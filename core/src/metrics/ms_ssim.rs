//! MS-SSIM with the constants and the range detection of HyperStyle's `criteria/ms_ssim.py`.

use ndarray::{Array2, ArrayView4, Axis, s};

use crate::{Error, Result};

/// Weight of each level, finest first.
const WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// At this side the coarsest level still holds one window.
pub(super) const SMALLEST: usize = WINDOW << (WEIGHTS.len() - 1);

/// Multi-scale structural similarity of two images `[1, C, H, W]`, 1 for equal ones.
///
/// `Π_{l=1..4} cs_l^w_l · ssim_5^w_5` with an 11×11 Gaussian (σ 1.5, no padding), channels apart, 2×2 averages
/// between levels. The dynamic range is found anew at each level from `result`: 2 for `[-1,1]`, but 1 where no
/// pixel lies below -0.5, just as the original does, which is why the order of the arguments matters.
///
/// `None` where a level is negative (very unlike images), since its power does not exist; the original's mean
/// over a data set leaves these out too.
///
/// # Errors
/// [`Error::Input`] where the shapes differ or a side is below 176 pixels.
pub fn ms_ssim(result: ArrayView4<'_, f32>, target: ArrayView4<'_, f32>) -> Result<Option<f64>> {
    let (batch, _, height, width) = result.dim();
    if result.dim() != target.dim() || batch != 1 || height.min(width) < SMALLEST {
        return Err(Error::Input(format!(
            "MS-SSIM compares two images of one shape [1, C, H, W] with sides of at least {SMALLEST}, \
             these are {:?} and {:?}",
            result.shape(),
            target.shape()
        )));
    }
    let planes = |image: ArrayView4<'_, f32>| -> Vec<Array2<f64>> {
        image.index_axis(Axis(0), 0).outer_iter().map(|plane| plane.mapv(f64::from)).collect()
    };
    let (mut result, mut target) = (planes(result), planes(target));
    let mut product = 1.0;
    for (level, weight) in WEIGHTS.into_iter().enumerate() {
        let (ssim, cs) = compare(&result, &target);
        let factor = if level + 1 == WEIGHTS.len() { ssim } else { cs };
        if factor < 0.0 {
            return Ok(None);
        }
        product *= factor.powf(weight);
        result.iter_mut().for_each(halve);
        target.iter_mut().for_each(halve);
    }
    Ok(Some(product))
}

/// Means of `ssim` and of its contrast-structure part `cs` over all pixels of all channels.
fn compare(result: &[Array2<f64>], target: &[Array2<f64>]) -> (f64, f64) {
    let range = range(result);
    let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
    let (mut ssim, mut cs) = (0.0, 0.0);
    for (x, y) in result.iter().zip(target) {
        let (mx, my) = (blur(x), blur(y));
        let xx = blur(&(x * x)) - &mx * &mx;
        let yy = blur(&(y * y)) - &my * &my;
        let xy = blur(&(x * y)) - &mx * &my;
        let structure = (2.0 * xy + c2) / (xx + yy + c2);
        let luminance = (2.0 * &mx * &my + c1) / (&mx * &mx + &my * &my + c1);
        cs += structure.mean().unwrap_or(f64::NAN);
        ssim += (luminance * structure).mean().unwrap_or(f64::NAN);
    }
    (ssim / result.len() as f64, cs / result.len() as f64)
}

/// The dynamic range that the original guesses from the extremes of its first image.
fn range(planes: &[Array2<f64>]) -> f64 {
    let values = || planes.iter().flatten().copied();
    let highest = if values().any(|value| value > 128.0) { 255.0 } else { 1.0 };
    let lowest = if values().any(|value| value < -0.5) { -1.0 } else { 0.0 };
    highest - lowest
}

/// Gaussian blur without padding: each side loses 10 pixels.
fn blur(plane: &Array2<f64>) -> Array2<f64> {
    let middle = (WINDOW / 2) as f64;
    let window: [f64; WINDOW] =
        std::array::from_fn(|i| (-(i as f64 - middle).powi(2) / (2.0 * SIGMA * SIGMA)).exp());
    let sum: f64 = window.iter().sum();
    let (height, width) = (plane.nrows() + 1 - WINDOW, plane.ncols() + 1 - WINDOW);
    let mut across = Array2::zeros((plane.nrows(), width));
    for (i, weight) in window.iter().enumerate() {
        across.scaled_add(weight / sum, &plane.slice(s![.., i..i + width]));
    }
    let mut out = Array2::zeros((height, width));
    for (i, weight) in window.iter().enumerate() {
        out.scaled_add(weight / sum, &across.slice(s![i..i + height, ..]));
    }
    out
}

/// 2×2 averages; an odd last row or column is dropped.
fn halve(plane: &mut Array2<f64>) {
    let (height, width) = (plane.nrows() / 2, plane.ncols() / 2);
    let corner = |y: usize, x: usize| plane.slice(s![y..;2, x..;2]).slice_move(s![..height, ..width]);
    let half = (&corner(0, 0) + &corner(0, 1) + corner(1, 0) + corner(1, 1)) / 4.0;
    *plane = half;
}

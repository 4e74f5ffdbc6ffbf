//! MS-SSIM with the constants and the dynamic range heuristic of HyperStyle's `criteria/ms_ssim.py`.

use ndarray::{Array2, ArrayView4, Axis, s};

use crate::{Error, Result};

/// Weight of each level, from the finest to the coarsest.
const WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// Minimum side of an image: the coarsest level then has the size of one window.
pub(super) const MIN_SIDE: usize = WINDOW << (WEIGHTS.len() - 1);

/// Multi-scale structural similarity of two images `[1,C,H,W]`; 1 for identical images.
///
/// `Π_{l=1..4} cs_l^w_l · ssim_5^w_5` with an 11×11 Gaussian window (σ 1.5, no padding), averaged over channels, and 2×2 average
/// pooling between levels. Like the original, each level takes the dynamic range from the values of `result`: 2 for `[-1,1]`,
/// but 1 if no pixel is below -0.5. Therefore, the order of the arguments matters.
///
/// `None` if the value of a level is negative (very dissimilar images), because its power is undefined. The original's mean over
/// a data set skips such images too.
///
/// # Errors
/// [`Error::Input`] if the shapes differ, the batch size is not 1, or a side is less than 176 pixels.
pub fn ms_ssim(result: ArrayView4<'_, f32>, target: ArrayView4<'_, f32>) -> Result<Option<f64>> {
    let (batch, _, height, width) = result.dim();
    if result.dim() != target.dim() || batch != 1 || height.min(width) < MIN_SIDE {
        return Err(Error::Input(format!(
            "MS-SSIM needs two images of the same shape [1, C, H, W] with sides of at least {MIN_SIDE} pixels, but these are {:?} \
             and {:?}",
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
        result.iter_mut().for_each(pool_2x2);
        target.iter_mut().for_each(pool_2x2);
    }
    Ok(Some(product))
}

/// SSIM and its contrast-structure part, each the mean over all pixels and channels.
fn compare(result: &[Array2<f64>], target: &[Array2<f64>]) -> (f64, f64) {
    let range = range(result);
    let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
    let (mut ssim, mut cs) = (0.0, 0.0);
    for (x, y) in result.iter().zip(target) {
        let (mx, my) = (gaussian_blur(x), gaussian_blur(y));
        let xx = gaussian_blur(&(x * x)) - &mx * &mx;
        let yy = gaussian_blur(&(y * y)) - &my * &my;
        let xy = gaussian_blur(&(x * y)) - &mx * &my;
        let structure = (2.0 * xy + c2) / (xx + yy + c2);
        let luminance = (2.0 * &mx * &my + c1) / (&mx * &mx + &my * &my + c1);
        cs += structure.mean().unwrap_or(f64::NAN);
        ssim += (luminance * structure).mean().unwrap_or(f64::NAN);
    }
    (ssim / result.len() as f64, cs / result.len() as f64)
}

/// The original's estimate of the dynamic range from the values of the first image.
fn range(planes: &[Array2<f64>]) -> f64 {
    let values = || planes.iter().flatten().copied();
    let highest = if values().any(|value| value > 128.0) { 255.0 } else { 1.0 };
    let lowest = if values().any(|value| value < -0.5) { -1.0 } else { 0.0 };
    highest - lowest
}

/// Gaussian blur without padding: height and width shrink by 10 pixels.
fn gaussian_blur(plane: &Array2<f64>) -> Array2<f64> {
    let center = (WINDOW / 2) as f64;
    let window: [f64; WINDOW] =
        std::array::from_fn(|i| (-(i as f64 - center).powi(2) / (2.0 * SIGMA * SIGMA)).exp());
    let sum: f64 = window.iter().sum();
    let (height, width) = (plane.nrows() + 1 - WINDOW, plane.ncols() + 1 - WINDOW);
    let mut horizontal = Array2::zeros((plane.nrows(), width));
    for (i, weight) in window.iter().enumerate() {
        horizontal.scaled_add(weight / sum, &plane.slice(s![.., i..i + width]));
    }
    let mut out = Array2::zeros((height, width));
    for (i, weight) in window.iter().enumerate() {
        out.scaled_add(weight / sum, &horizontal.slice(s![i..i + height, ..]));
    }
    out
}

/// 2×2 average pooling. An odd last row or column is dropped.
fn pool_2x2(plane: &mut Array2<f64>) {
    let (height, width) = (plane.nrows() / 2, plane.ncols() / 2);
    let phase = |y: usize, x: usize| plane.slice(s![y..;2, x..;2]).slice_move(s![..height, ..width]);
    let pooled = (&phase(0, 0) + &phase(0, 1) + phase(1, 0) + phase(1, 1)) / 4.0;
    *plane = pooled;
}

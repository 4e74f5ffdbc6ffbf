//! A generator truncated at the loss resolution, for latent steps at a fraction of the cost.
//!
//! The losses of a latent step compare images of 256 px, but most of the time of a generator of 1024 px goes into the layers above
//! 256 px. The truncated generator ends with the features at 256 px and a linear to-RGB head, image ≈ A·features + b. The head is
//! fitted in closed form to the whole generator's image of one latent, pooled to 256 px.

use crate::loss::SimilarityLoss;
use crate::model::Model;
use crate::photo::resize;
use crate::runtime::Cancel;
use crate::{Error, Result};
use gani_onnx::{Builder, ConvAttrs, Expr, Graph, Value};
use nalgebra::DMatrix;
use ndarray::{Array2, ArrayD, ArrayView2, ArrayView4};
use std::collections::HashSet;

/// Ridge of the fit, relative to the mean square of a feature: features may be linearly dependent.
const RIDGE: f64 = 1e-5;

/// Eq. 1 with the generator truncated at the loss resolution. The head is fitted to `image` `[1,3,R,R]`, the whole generator's image
/// of `ws` `[n,512]`. `None` if the generator's image is not larger than the loss resolution.
pub(super) fn truncated_loss(
    model: &Model,
    ws: ArrayView2<'_, f32>,
    image: ArrayView4<'_, f32>,
    cancel: &Cancel,
) -> Result<Option<SimilarityLoss>> {
    let loss = model.similarity_loss()?;
    let Some(features) = model.truncated_generator()? else { return Ok(None) };
    let ws = ws.insert_axis(ndarray::Axis(0));
    let maps = model.runtime.compile("truncated generator", features)?.run(&[("ws", ws.into_dyn())], cancel)?;
    let &[_, _, height, width] = maps.first().map(ArrayD::shape).unwrap_or_default() else {
        return Err(Error::Model("the truncated generator has no feature map".into()));
    };
    let head = fit_head(&maps, resize(image, height, width).view())?;
    let generator = with_head(features, &head)?;
    Ok(Some(SimilarityLoss { generator, tunable: vec![], networks: loss.networks.clone(), resolution: width }))
}

/// A `[3,c]` and b `[3]` of image ≈ A·features + b, as one matrix `[3,c+1]`, by least squares over all pixels.
fn fit_head(maps: &[ArrayD<f32>], image: ArrayView4<'_, f32>) -> Result<DMatrix<f64>> {
    let pixels = image.len() / 3;
    let rows: usize = maps.iter().map(|map| map.len() / pixels).sum();
    let mut x: Vec<f32> = maps.iter().flatten().copied().collect();
    x.extend(std::iter::repeat_n(1.0, pixels));
    let shape = |e: ndarray::ShapeError| Error::Model(format!("the features of the truncated generator: {e}"));
    let x = Array2::from_shape_vec((rows + 1, pixels), x).map_err(shape)?;
    let y = Array2::from_shape_vec((3, pixels), image.iter().copied().collect()).map_err(shape)?;
    let (xx, xy) = (x.dot(&x.t()), x.dot(&y.t()));
    let mut xx = DMatrix::from_fn(rows + 1, rows + 1, |i, j| f64::from(xx[[i, j]]));
    let ridge = RIDGE * xx.trace() / (rows + 1) as f64;
    (0..=rows).for_each(|i| xx[(i, i)] += ridge);
    let xy = DMatrix::from_fn(rows + 1, 3, |i, j| f64::from(xy[[i, j]]));
    let solved = xx.cholesky().map(|factor| factor.solve(&xy).transpose());
    let head = solved.ok_or_else(|| Error::Model("the features of the truncated generator are not finite".into()))?;
    if log::log_enabled!(log::Level::Debug) {
        let a = Array2::from_shape_fn((3, rows + 1), |(i, j)| head[(i, j)] as f32);
        let d = a.dot(&x) - &y;
        log::debug!("truncated generator: {rows} features, mean square error {:.2e}", d.mapv(|d| d * d).mean().unwrap_or(0.0));
    }
    Ok(head)
}

/// ws → `image` `[1,3,h,w]`: the features and the head A, b.
fn with_head(features: &Graph, head: &DMatrix<f64>) -> Result<Graph> {
    let b = Builder::new();
    let ws = b.input("ws", features.input_shape("ws")?);
    let maps: Vec<Expr<'_>> = b.inline(features, &[("ws", ws)])?;
    let c = head.ncols() - 1;
    let weights: Vec<f32> = (0..3).flat_map(|i| (0..c).map(move |j| head[(i, j)] as f32)).collect();
    let bias: Vec<f32> = (0..3).map(|i| head[(i, c)] as f32).collect();
    let image = b.concat(&maps, 1).conv(b.values(&[3, c, 1, 1], &weights), &ConvAttrs::same(0));
    b.output("image", image + b.values(&[1, 3, 1, 1], &bias));
    Ok(b.finish()?)
}

/// The part of a `generator` that computes its features of `width` pixels: the values `[1,c,h,width]` that depend on the latent and
/// that larger values are computed from. `None` if there are no such values.
pub(crate) fn truncate(generator: &Graph, width: usize) -> Option<Graph> {
    let is_map = |v: Value| generator.info(v).shape.len() == 4;
    let width_of = |v: Value| generator.info(v).shape.last().copied().unwrap_or(0);
    // Nodes are in execution order, so a value's inputs are known before the value.
    let mut variable: HashSet<Value> = generator.inputs().iter().copied().collect();
    let mut above: HashSet<Value> = HashSet::new();
    let mut cut: Vec<Value> = Vec::new();
    for node in generator.nodes() {
        let inputs: Vec<Value> = node.inputs.iter().flatten().copied().collect();
        if !inputs.iter().any(|v| variable.contains(v)) {
            continue;
        }
        variable.extend(&node.outputs);
        let larger = node.outputs.iter().any(|&v| is_map(v) && width_of(v) > width);
        if !larger && !inputs.iter().any(|v| above.contains(v)) {
            continue;
        }
        above.extend(&node.outputs);
        let features = inputs.into_iter().filter(|&v| is_map(v) && width_of(v) == width);
        for value in features.filter(|v| variable.contains(v) && !above.contains(v)) {
            if !cut.contains(&value) {
                cut.push(value);
            }
        }
    }
    let outputs = cut.iter().enumerate().map(|(i, &value)| (format!("features.{i}"), value)).collect();
    (!cut.is_empty()).then(|| generator.with_outputs(outputs))
}

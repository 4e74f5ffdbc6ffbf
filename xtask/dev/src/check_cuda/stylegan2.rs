//! The graphs of a full-width StyleGAN2 with arbitrary weights. Placement and cost do not depend on the weights.

use gani_core::bundle::Bundle;
use gani_core::loss::similarity::SimilarityLoss;
use gani_core::report::graphs::{NamedGraph, loss_graphs};
use gani_core::settings::Method;
use gani_core::settings::Preset;
use gani_onnx::Tensor;
use gani_onnx::checkpoint::Checkpoint;
use gani_onnx::networks::stylegan2;

/// Dimension of w.
const W_DIM: usize = 512;
/// Number of layers of the mapping network.
const MAPPING: usize = 8;

/// The generator, the mapping network and the graphs of tuning, with the loss networks of `ffhq-1024`.
pub fn graphs(size: usize) -> Result<Vec<NamedGraph>, String> {
    let network = stylegan2::build(&checkpoint(size)).map_err(|e| e.to_string())?;
    let faces = Bundle::open("ffhq-1024").map_err(|e| e.to_string())?;
    let domain = faces.domain().map_err(|e| e.to_string())?;
    let resolution = faces.loss_resolution();
    let objective = SimilarityLoss {
        generator: network.generator.clone(),
        tunable: network.tunable,
        networks: faces.losses(resolution).map_err(|e| e.to_string())?,
        resolution,
    };
    let settings = Preset::Best.settings(Method::Gani, &domain);
    let mut all = vec![("mapping".to_owned(), network.mapping), ("generator".to_owned(), network.generator)];
    all.extend(loss_graphs(&objective, &settings.tune).map_err(|e| e.to_string())?);
    Ok(all)
}

/// Number of channels at a resolution (Karras et al. 2020, config F).
fn channels(resolution: usize) -> usize {
    (32768 / resolution).min(512)
}

/// A checkpoint in the layout of rosinality's stylegan2-pytorch.
fn checkpoint(size: usize) -> Checkpoint {
    let mut tensors: Vec<(String, Tensor)> = Vec::new();
    let mut add = |key: String, shape: &[usize]| {
        let (salt, count) = (tensors.len(), shape.iter().product::<usize>());
        let value = |i: usize| ((i * 7919 + salt * 104_729) % 1009) as f32 / 1009.0 - 0.4;
        tensors.extend(Tensor::f32(shape, (0..count).map(value).collect()).map(|tensor| (key, tensor)));
    };
    for i in 1..=MAPPING {
        add(format!("style.{i}.weight"), &[W_DIM, W_DIM]);
        add(format!("style.{i}.bias"), &[W_DIM]);
    }
    add("input.input".into(), &[1, channels(4), 4, 4]);
    let modulated = |add: &mut dyn FnMut(String, &[usize]), name: &str, shape: [usize; 4]| {
        add(format!("{name}.conv.weight"), &[&[1], &shape[..]].concat());
        add(format!("{name}.conv.modulation.weight"), &[shape[1], W_DIM]);
        add(format!("{name}.conv.modulation.bias"), &[shape[1]]);
    };
    let styled =
        |add: &mut dyn FnMut(String, &[usize]), name: &str, noise: usize, [from, to]: [usize; 2], size| {
            modulated(add, name, [to, from, 3, 3]);
            add(format!("{name}.noise.weight"), &[1]);
            add(format!("{name}.activate.bias"), &[to]);
            add(format!("noises.noise_{noise}"), &[1, 1, size, size]);
        };
    let to_rgb = |add: &mut dyn FnMut(String, &[usize]), name: &str, from: usize| {
        modulated(add, name, [3, from, 1, 1]);
        add(format!("{name}.bias"), &[1, 3, 1, 1]);
    };
    styled(&mut add, "conv1", 0, [channels(4); 2], 4);
    to_rgb(&mut add, "to_rgb1", channels(4));
    for k in 0..size.ilog2() as usize - 2 {
        let (up, same, size) = (2 * k, 2 * k + 1, 8 << k);
        let (from, to) = (channels(size / 2), channels(size));
        styled(&mut add, &format!("convs.{up}"), up + 1, [from, to], size);
        add(format!("convs.{up}.conv.blur.kernel"), &[4, 4]);
        styled(&mut add, &format!("convs.{same}"), same + 1, [to, to], size);
        to_rgb(&mut add, &format!("to_rgbs.{k}"), to);
        add(format!("to_rgbs.{k}.upsample.kernel"), &[4, 4]);
    }
    Checkpoint::from_tensors("random StyleGAN2", tensors)
}

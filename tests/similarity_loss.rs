//! The pixel term of Eq. 1 with its gradient difference, against its formula.
#![allow(missing_docs)]

use gani_core::loss::similarity::{SimilarityLoss, Wrt, set_theta};
use gani_core::loss::total::{loss_gradient, target_features};
use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_core::settings::{LossWeights, PixelLoss};
use gani_onnx::{Builder, Tensor};
use ndarray::{Array3, ArrayD, Axis, s};

/// Channels, height and width of the images.
const SHAPE: [usize; 3] = [3, 6, 8];

/// A generator with a latent of one number; its image is that number times its weight.
fn similarity_loss(weight: &[f32], resolution: usize) -> SimilarityLoss {
    let [c, h, w] = SHAPE;
    let b = Builder::new();
    let pixels = b.weight("pixels", Tensor::f32(&[1, weight.len()], weight.to_vec()).unwrap());
    let ws = b.input("ws", &[1, 1, 1]);
    b.output("image", ws.reshape(&[1, 1]).matmul(pixels).reshape(&[1, c, h, w]));
    SimilarityLoss {
        generator: b.finish().unwrap(),
        tunable: vec!["pixels".into()],
        networks: vec![],
        resolution,
    }
}

/// mean d² + μ · mean |∇d|², with d = 0 outside the image.
fn formula(d: &Array3<f32>, mu: f32) -> f32 {
    let [c, h, w] = SHAPE;
    let mut padded = Array3::zeros([c, h + 2, w + 2]);
    padded.slice_mut(s![.., 1..=h, 1..=w]).assign(d);
    let squares = |a: Array3<f32>| a.iter().map(|v| v * v).sum::<f32>();
    let down = &padded.slice(s![.., 1.., ..]) - &padded.slice(s![.., ..-1, ..]);
    let right = &padded.slice(s![.., .., 1..]) - &padded.slice(s![.., .., ..-1]);
    (squares(d.clone()) + mu * (squares(down) + squares(right))) / d.len() as f32
}

#[test]
fn gradient_difference_applies_above_the_loss_resolution() {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, ..RuntimeOptions::default() };
    let runtime = Runtime::load(&options).unwrap();
    let weights = LossWeights {
        full_resolution: true,
        gradient_difference: 0.5,
        ..LossWeights::new(PixelLoss::L2, [("pixel", 1.0)])
    };
    let image = Array3::from_shape_fn(SHAPE, |(c, y, x)| ((5 * c + 7 * y + 3 * x * x) % 11) as f32 * 0.1);
    let photo: ArrayD<f32> =
        Array3::from_shape_fn(SHAPE, |(c, y, x)| ((2 * c + y * y + x) % 7) as f32 * 0.1).into_dyn();
    let difference = &image - &photo.view().into_dimensionality::<ndarray::Ix3>().unwrap();
    let photo = photo.insert_axis(Axis(0));
    for (resolution, mu) in [(4, 0.5), (8, 0.0)] {
        let similarity = similarity_loss(image.as_slice().unwrap(), resolution);
        let target = target_features(&runtime, &similarity, &weights, &photo, &Cancel::new()).unwrap();
        let mut loss = loss_gradient(&runtime, &similarity, &weights, Wrt::Weights).unwrap().bind().unwrap();
        loss.set("ws", &[1.0]).unwrap();
        loss.set("lambda", &[1.0]).unwrap();
        set_theta(&mut loss, &similarity.generator, &similarity.tunable).unwrap();
        loss.alias_inputs(&target, "target.").unwrap();
        loss.run(&Cancel::new()).unwrap();
        let (found, expected) = (loss.get("pixel").unwrap().sum(), formula(&difference, mu));
        assert!(
            (found - expected).abs() < 1e-5 * expected,
            "at {resolution} px: {found}, expected {expected}"
        );
        // ∂L/∂θ of single pixels, by a central difference.
        let gradient = loss.get("d.pixels").unwrap();
        for at in [[0, 0, 0], [1, 3, 4], [2, 5, 7]] {
            let shifted = |by: f32| {
                let mut d = difference.clone();
                d[at] += by;
                formula(&d, mu)
            };
            let slope = (shifted(0.05) - shifted(-0.05)) / 0.1;
            let found = gradient[[0, (at[0] * SHAPE[1] + at[1]) * SHAPE[2] + at[2]]];
            assert!((found - slope).abs() < 1e-3 * slope.abs() + 1e-6, "{at:?}: {found}, expected {slope}");
        }
    }
}

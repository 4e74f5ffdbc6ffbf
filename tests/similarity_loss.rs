//! The pixel term of Eq. 1 with its edges, against its formula.
#![allow(missing_docs)]

use gani_core::loss::similarity::{LossWeights, SimilarityLoss, Wrt, set_theta};
use gani_core::loss::total::{loss_gradient, observe};
use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_core::settings::preset::face_weights;
use gani_onnx::{Builder, Tensor};
use ndarray::{Array3, ArrayD, Axis, s};

/// Channels, height and width of the images.
const SHAPE: [usize; 3] = [3, 6, 8];

/// A generator of one style number, whose image is that number times its weight.
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

/// mean d² + edges · mean |∇d|², with d = 0 around the picture.
fn formula(d: &Array3<f32>, edges: f32) -> f32 {
    let [c, h, w] = SHAPE;
    let mut framed = Array3::zeros([c, h + 2, w + 2]);
    framed.slice_mut(s![.., 1..=h, 1..=w]).assign(d);
    let squares = |a: Array3<f32>| a.iter().map(|v| v * v).sum::<f32>();
    let down = &framed.slice(s![.., 1.., ..]) - &framed.slice(s![.., ..-1, ..]);
    let right = &framed.slice(s![.., .., 1..]) - &framed.slice(s![.., .., ..-1]);
    (squares(d.clone()) + edges * (squares(down) + squares(right))) / d.len() as f32
}

#[test]
fn edges_count_where_the_image_is_larger_than_what_other_losses_see() {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, ..RuntimeOptions::default() };
    let runtime = Runtime::load(&options).unwrap();
    let weights = LossWeights { full_resolution: true, edges: 0.5, lambda_pixel: 1.0, ..face_weights() };
    let image = Array3::from_shape_fn(SHAPE, |(c, y, x)| ((5 * c + 7 * y + 3 * x * x) % 11) as f32 * 0.1);
    let photo: ArrayD<f32> =
        Array3::from_shape_fn(SHAPE, |(c, y, x)| ((2 * c + y * y + x) % 7) as f32 * 0.1).into_dyn();
    let difference = &image - &photo.view().into_dimensionality::<ndarray::Ix3>().unwrap();
    let photo = photo.insert_axis(Axis(0));
    for (resolution, edges) in [(4, 0.5), (8, 0.0)] {
        let objective = objective(image.as_slice().unwrap(), resolution);
        let target = observe(&runtime, &objective, &weights, &photo, &Cancel::new()).unwrap();
        let mut loss = loss_gradient(&runtime, &objective, &weights, Wrt::Weights).unwrap().bind().unwrap();
        loss.set("ws", &[1.0]).unwrap();
        loss.set("lambda", &[1.0]).unwrap();
        set_theta(&mut loss, &objective.generator, &objective.tunable).unwrap();
        loss.alias_inputs(&target, "target.").unwrap();
        loss.run(&Cancel::new()).unwrap();
        let (found, expected) = (loss.get("pixel").unwrap().sum(), formula(&difference, edges));
        assert!((found - expected).abs() < 1e-5 * expected, "at {resolution} px: {found}, not {expected}");
        // One number a little larger: ∂L/∂θ of it.
        let gradient = loss.get("d.pixels").unwrap();
        for at in [[0, 0, 0], [1, 3, 4], [2, 5, 7]] {
            let moved = |by: f32| {
                let mut d = difference.clone();
                d[at] += by;
                formula(&d, edges)
            };
            let slope = (moved(0.05) - moved(-0.05)) / 0.1;
            let found = gradient[[0, (at[0] * SHAPE[1] + at[1]) * SHAPE[2] + at[2]]];
            assert!((found - slope).abs() < 1e-3 * slope.abs() + 1e-6, "{at:?}: {found}, not {slope}");
        }
    }
}

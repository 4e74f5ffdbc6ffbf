//! The modules' vector-Jacobian product, which reads intermediate products of the forward graph, against finite differences of the
//! forward graph: every normalization, one block and two.
#![allow(missing_docs)]

use gani_core::invert::gani::modules::{Modules, WeightSpec, flatten};
use gani_core::runtime::{Binding, Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_core::settings::{Init, ModuleSettings, Norm};
use gani_onnx::{Graph, write};
use ndarray::ArrayD;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Half the step of a central difference in ψ.
const STEP: f32 = 1e-3;

#[test]
fn psi_gradient_matches_finite_differences() {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, ..RuntimeOptions::default() };
    let runtime = Runtime::load(&options).unwrap();
    for (pre_norm, post_norm, blocks, gain) in [
        (Norm::Scale, Norm::Scale, 1, None),
        (Norm::Scale, Norm::Scale, 2, None),
        (Norm::Scale, Norm::None, 1, Some(1.0)),
        (Norm::Spatial, Norm::Spatial, 2, None),
        (Norm::Instance, Norm::Scale, 1, None),
        (Norm::None, Norm::Instance, 2, None),
    ] {
        let settings = ModuleSettings { blocks, pre_norm, post_norm, init: Init::Kaiming, gain };
        // Two weights share a module; the third has its own.
        let weight = |name: &str, shape: [usize; 4]| WeightSpec { name: name.into(), shape: shape.to_vec() };
        let weights = vec![weight("a", [5, 5, 3, 3]), weight("b", [5, 5, 3, 3]), weight("c", [2, 5, 1, 1])];
        let run = Run::new(&runtime, &Modules::new(weights, settings));
        run.check(&format!("{settings:?}"));
    }
}

struct Run {
    forward: std::cell::RefCell<Binding>,
    names: Vec<String>,
    psi: Vec<ArrayD<f32>>,
    /// ∂L/∂θ' by weight, for the loss L = Σ ⟨θ', upstream⟩.
    upstream: Vec<(String, ArrayD<f32>)>,
    gradient: Vec<ArrayD<f32>>,
}

impl Run {
    fn new(runtime: &Runtime, modules: &Modules) -> Run {
        let bind = |name: &str, graph: Graph| {
            runtime.session(name, &write::to_bytes(&graph).unwrap()).unwrap().bind().unwrap()
        };
        let mut forward = bind("modules", modules.forward().unwrap());
        let mut vjp = bind("gradient", modules.vjp().unwrap());
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut random =
            |shape: &[usize]| ArrayD::from_shape_simple_fn(shape, || StandardNormal.sample(&mut rng));
        let (names, shapes): (Vec<String>, Vec<Vec<usize>>) = modules.parameters().into_iter().unzip();
        let mut psi = modules.initial(&mut ChaCha8Rng::seed_from_u64(3));
        // Large enough for differences above the rounding error.
        psi.iter_mut().zip(&shapes).filter(|(_, s)| s.len() == 2).for_each(|(p, s)| *p = random(s) * 0.5);
        forward.set("psi", &flatten(&psi)).unwrap();
        vjp.alias_input("psi", &forward, "psi").unwrap();
        let mut upstream = Vec::new();
        for WeightSpec { name, shape } in modules.weights() {
            let gradient: ArrayD<f32> = random(shape) + random(shape) * 0.2;
            for (port, value) in [("g", random(shape)), ("theta", random(shape))] {
                forward.set_array(&format!("{port}.{name}"), &value).unwrap();
                vjp.set_array(&format!("{port}.{name}"), &value).unwrap();
            }
            vjp.set_array(&format!("d.{name}"), &gradient).unwrap();
            upstream.push((name.clone(), gradient));
        }
        vjp.alias_inputs(&forward, "product.").unwrap();
        forward.run(&Cancel::new()).unwrap();
        vjp.run(&Cancel::new()).unwrap();
        let gradient = vjp.with_data("d.psi", |d| modules.unflatten(d)).unwrap().unwrap();
        Run { forward: forward.into(), names, psi, upstream, gradient }
    }

    fn loss(&self, parameter: usize, value: &ArrayD<f32>) -> f64 {
        let mut forward = self.forward.borrow_mut();
        let mut psi = self.psi.clone();
        psi[parameter].assign(value);
        forward.set("psi", &flatten(&psi)).unwrap();
        forward.run(&Cancel::new()).unwrap();
        let inner = |(name, upstream): &(String, ArrayD<f32>)| {
            let tuned = forward.get(&format!("tuned.{name}")).unwrap();
            tuned.iter().zip(upstream).map(|(&t, &u)| f64::from(t) * f64::from(u)).sum::<f64>()
        };
        self.upstream.iter().map(inner).sum()
    }

    /// The directional derivative along a parameter's own gradient is the gradient's norm.
    fn check(&self, settings: &str) {
        for (i, (name, gradient)) in self.names.iter().zip(&self.gradient).enumerate() {
            let norm = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
            let along = gradient * (STEP / norm as f32);
            let [less, more] = [&self.psi[i] - &along, &self.psi[i] + &along].map(|p| self.loss(i, &p));
            let measured = (more - less) / f64::from(2.0 * STEP);
            // Kinks of LeakyReLU cause errors of a few percent. The gradient of g₁ is 0 where a normalization follows W₁.
            let error = (measured - norm).abs();
            assert!(error < 0.03 * norm + 1e-2, "{settings}, {name}: measured {measured}, gradient {norm}");
        }
    }
}

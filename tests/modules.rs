//! The modules' gradient, which takes the products that the forward graph left over, against finite differences of the
//! forward graph: every normalisation, one block and two.
#![allow(missing_docs)]

use gani_core::invert::gani::modules::{ModuleSettings, Modules, Norm, Start, Tuned, flat};
use gani_core::runtime::{Binding, Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_onnx::{Graph, write};
use ndarray::ArrayD;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// How far ψ is moved for a difference.
const STEP: f32 = 1e-3;

#[test]
fn the_gradient_of_psi_is_that_of_finite_differences() {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, ..RuntimeOptions::default() };
    let runtime = Runtime::load(&options).unwrap();
    for (before, inside, blocks, gain) in [
        (Norm::Scale, Norm::Scale, 1, None),
        (Norm::Scale, Norm::Scale, 2, None),
        (Norm::Scale, Norm::None, 1, Some(1.0)),
        (Norm::Taps, Norm::Taps, 2, None),
        (Norm::Instance, Norm::Scale, 1, None),
        (Norm::None, Norm::Instance, 2, None),
    ] {
        let settings = ModuleSettings { blocks, before, inside, start: Init::Kaiming, gain };
        // A module that two weights share, and one of its own.
        let weight = |name: &str, shape: [usize; 4]| Tuned { name: name.into(), shape: shape.to_vec() };
        let weights = vec![weight("a", [5, 5, 3, 3]), weight("b", [5, 5, 3, 3]), weight("c", [2, 5, 1, 1])];
        let run = Run::new(&runtime, &Modules::new(weights, settings));
        run.check(&format!("{settings:?}"));
    }
}

struct Run {
    apply: std::cell::RefCell<Binding>,
    names: Vec<String>,
    psi: Vec<ArrayD<f32>>,
    /// ∂L/∂θ' by weight: L = Σ ⟨θ', this⟩.
    pull: Vec<(String, ArrayD<f32>)>,
    gradient: Vec<ArrayD<f32>>,
}

impl Run {
    fn new(runtime: &Runtime, modules: &Modules) -> Run {
        let bind = |name: &str, graph: Graph| {
            runtime.session(name, &write::to_bytes(&graph).unwrap()).unwrap().bind().unwrap()
        };
        let mut apply = bind("modules", modules.forward().unwrap());
        let mut vjp = bind("gradient", modules.vjp().unwrap());
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut random =
            |shape: &[usize]| ArrayD::from_shape_simple_fn(shape, || StandardNormal.sample(&mut rng));
        let (names, shapes): (Vec<String>, Vec<Vec<usize>>) = modules.parameters().into_iter().unzip();
        let mut psi = modules.initial(&mut ChaCha8Rng::seed_from_u64(3));
        // Of a size at which differences stand out of rounding.
        psi.iter_mut().zip(&shapes).filter(|(_, s)| s.len() == 2).for_each(|(p, s)| *p = random(s) * 0.5);
        apply.set("psi", &flat(&psi)).unwrap();
        vjp.alias_input("psi", &apply, "psi").unwrap();
        let mut pull = Vec::new();
        for Tuned { name, shape } in modules.weights() {
            let gradient: ArrayD<f32> = random(shape) + random(shape) * 0.2;
            for (port, value) in [("g", random(shape)), ("theta", random(shape))] {
                apply.set_array(&format!("{port}.{name}"), &value).unwrap();
                vjp.set_array(&format!("{port}.{name}"), &value).unwrap();
            }
            vjp.set_array(&format!("d.{name}"), &gradient).unwrap();
            pull.push((name.clone(), gradient));
        }
        vjp.alias_inputs(&apply, "product.").unwrap();
        apply.run(&Cancel::new()).unwrap();
        vjp.run(&Cancel::new()).unwrap();
        let gradient = vjp.with_data("d.psi", |d| modules.shaped(d)).unwrap().unwrap();
        Run { apply: apply.into(), names, psi, pull, gradient }
    }

    fn loss(&self, parameter: usize, value: &ArrayD<f32>) -> f64 {
        let mut apply = self.apply.borrow_mut();
        let mut psi = self.psi.clone();
        psi[parameter].assign(value);
        apply.set("psi", &flat(&psi)).unwrap();
        apply.run(&Cancel::new()).unwrap();
        let inner = |(name, pull): &(String, ArrayD<f32>)| {
            let tuned = apply.get(&format!("tuned.{name}")).unwrap();
            tuned.iter().zip(pull).map(|(&t, &p)| f64::from(t) * f64::from(p)).sum::<f64>()
        };
        self.pull.iter().map(inner).sum()
    }

    /// Along its own gradient, every parameter changes L by the gradient's length.
    fn check(&self, what: &str) {
        for (i, (name, gradient)) in self.names.iter().zip(&self.gradient).enumerate() {
            let length = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
            let along = gradient * (STEP / length as f32);
            let [less, more] = [&self.psi[i] - &along, &self.psi[i] + &along].map(|p| self.loss(i, &p));
            let measured = (more - less) / f64::from(2.0 * STEP);
            // Kinks of LeakyReLU leave some per cent. g₁ does nothing where a norm follows W₁.
            let error = (measured - length).abs();
            assert!(error < 0.03 * length + 1e-2, "{what}, {name}: {measured} for {length}");
        }
    }
}

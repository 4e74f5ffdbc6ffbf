//! One of ONNX's own node tests for each op: values, and gradients against finite differences in f64 that ONNX's
//! reference evaluator computed. `onnx_node_tests/sample.py` wrote the file; `cargo xtask check-onnx` runs all tests.

use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_onnx::Seed;
use gani_onnx::read::ReadOptions;
use gani_onnx::write::to_bytes;
use ndarray::{ArrayD, Ix1, IxDyn, OwnedRepr};
use ndarray_npy::NpzReader;
use std::collections::BTreeMap;
use std::fs::File;

/// A test: the model, and the arrays by kind (x, y, v, u, s) and name of the input or output.
#[derive(Default)]
struct Case {
    model: Vec<u8>,
    arrays: BTreeMap<(char, String), ArrayD<f32>>,
}

impl Case {
    fn names(&self, kind: char) -> Vec<&str> {
        self.arrays.keys().filter(|(k, _)| *k == kind).map(|(_, name)| name.as_str()).collect()
    }

    fn get(&self, kind: char, name: &str) -> &ArrayD<f32> {
        &self.arrays[&(kind, name.to_string())]
    }
}

fn cases() -> BTreeMap<String, Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/onnx_nodes.npz");
    let mut file = NpzReader::new(File::open(path).unwrap()).unwrap();
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for key in file.names().unwrap() {
        let (name, part) = key.trim_end_matches(".npy").split_once('|').unwrap();
        let case = cases.entry(name.into()).or_default();
        match part.split_once(' ') {
            None => case.model = file.by_name::<OwnedRepr<u8>, Ix1>(&key).unwrap().to_vec(),
            Some((kind, of)) => {
                let array = file.by_name::<OwnedRepr<f32>, IxDyn>(&key).unwrap();
                case.arrays.insert((kind.chars().next().unwrap(), of.into()), array);
            }
        }
    }
    cases
}

fn check(runtime: &Runtime, name: &str, case: &Case) -> Result<(), String> {
    let (inputs, outputs) = (case.names('x'), case.names('y'));
    let mut options = ReadOptions::new();
    for input in &inputs {
        options = options.shape(input, case.get('x', input).shape());
    }
    let net = options.read_bytes(name, case.model.clone(), None).map_err(|e| e.to_string())?;
    let of: Vec<_> = outputs.iter().map(|name| (*name, Seed::Input)).collect();
    let graph = net.gradient(&of, &inputs).map_err(|e| e.to_string())?;
    let session = runtime.session(name, &to_bytes(&graph).map_err(|e| e.to_string())?);
    let session = session.map_err(|e| format!("{e}\n{graph}"))?;
    let seeds: Vec<_> = outputs.iter().map(|name| (format!("seed_{name}"), case.get('v', name))).collect();
    let views: Vec<_> = inputs
        .iter()
        .map(|name| (*name, case.get('x', name).view()))
        .chain(seeds.iter().map(|(name, array)| (name.as_str(), array.view())))
        .collect();
    let found = session.run(&views, &Cancel::new()).map_err(|e| format!("{e}\n{graph}"))?;
    let found: BTreeMap<_, _> = session.outputs().iter().map(|port| port.name.clone()).zip(found).collect();
    for output in outputs {
        let (y, expected) = (&found[output], case.get('y', output));
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-3 * b.abs().max(1e-2) || a == b;
        if y.shape() != expected.shape() || !y.iter().zip(expected).all(close) {
            return Err(format!("{output} is\n{y}\nexpected\n{expected}"));
        }
    }
    for input in inputs {
        let (gradient, u) = (&found[&format!("grad_{input}")], case.get('u', input));
        let slope: f64 = gradient.iter().zip(u).map(|(g, u)| f64::from(*g) * f64::from(*u)).sum();
        let expected = f64::from(*case.get('s', input).iter().next().unwrap());
        let size = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        if slope.is_nan() || (slope - expected).abs() > 2e-3 * expected.abs().max(0.1 * size).max(0.05) {
            return Err(format!("grad_{input} gives the slope {slope}, the difference {expected}"));
        }
    }
    Ok(())
}

#[test]
fn gradients_of_node_tests_match_finite_differences() {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, threads: 1, library: None };
    let runtime = Runtime::load(&options).unwrap();
    let cases = cases();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|(name, case)| check(&runtime, name, case).err().map(|why| format!("{name}: {why}")))
        .collect();
    assert!(wrong.is_empty(), "{} of {} tests are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

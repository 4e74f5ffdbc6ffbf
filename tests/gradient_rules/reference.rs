//! Every case of `fixtures/rules.npz` (a node) and `fixtures/models.npz` (a file): values against PyTorch,
//! gradients against PyTorch and finite differences.

use crate::node::{LoadedGraph, differentiated, differentiated_file, differentiated_in};
use gani_onnx::DType;
use ndarray::{ArrayD, Ix1, IxDyn, OwnedRepr};
use ndarray_npy::NpzReader;
use std::collections::BTreeMap;
use std::fs::File;

/// Half the step of a central difference. All inputs are farther than this from kinks.
const STEP: f32 = 2e-3;

/// The arrays of a case by name, and the file of a case that is a model.
#[derive(Default)]
pub struct Case {
    pub arrays: BTreeMap<String, ArrayD<f32>>,
    file: Option<Vec<u8>>,
}

/// The cases of a fixture, in order.
pub fn cases(fixture: &str) -> Vec<(String, Case)> {
    let path = format!("{}/fixtures/{fixture}.npz", env!("CARGO_MANIFEST_DIR"));
    let mut file = NpzReader::new(File::open(path).unwrap()).unwrap();
    let mut cases: Vec<(String, Case)> = vec![];
    for key in file.names().unwrap() {
        let (name, part) = key.split_once('|').unwrap();
        if cases.last().is_none_or(|(last, _)| last != name) {
            cases.push((name.into(), Case::default()));
        }
        let case = &mut cases.last_mut().unwrap().1;
        match part.trim_end_matches(".npy") {
            "refused" => drop(cases.pop()),
            "m" => case.file = Some(file.by_name::<OwnedRepr<u8>, Ix1>(&key).unwrap().to_vec()),
            part => {
                let array = file.by_name::<OwnedRepr<f32>, IxDyn>(&key).unwrap();
                case.arrays.insert(part.into(), array);
            }
        }
    }
    cases
}

pub fn names() -> Vec<String> {
    cases("rules").into_iter().map(|(name, _)| name).collect()
}

/// Whether the case can be compared with finite differences: it has no ties.
pub fn is_smooth(name: &str) -> bool {
    !name.contains(":ties")
}

/// The arrays `letter`0, `letter`1, …
pub fn numbered(case: &Case, letter: char) -> Vec<ArrayD<f32>> {
    (0..).map_while(|i| case.arrays.get(&format!("{letter}{i}")).cloned()).collect()
}

/// A pseudo-random direction with elements in `[-1,1)`, the same in every run.
pub fn direction(shape: &[usize], seed: usize) -> ArrayD<f32> {
    let mut state = seed as u64 * 7919 + 17;
    ArrayD::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    })
}

pub fn dot(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Compares a case with PyTorch and with finite differences.
fn check(name: &str, case: &Case) -> Result<(), String> {
    let (xs, rs) = (numbered(case, 'x'), numbered(case, 'r'));
    let shapes: Vec<Vec<usize>> = xs.iter().map(|x| x.shape().to_vec()).collect();
    let graph = match &case.file {
        Some(file) => differentiated_file(name, file, &shapes),
        None => differentiated(name, &shapes, rs.len()),
    };
    let graph = graph.map_err(|e| e.to_string())?;
    // f16 has 11 bits: its rounding is larger than a finite difference.
    let half = name.contains(":f16");
    let graph = LoadedGraph::new(name, graph)?;
    let inputs = |shift: Option<(usize, &ArrayD<f32>)>| {
        let x = |i: usize| match shift {
            Some((j, by)) if i == j => &xs[i] + by,
            _ => xs[i].clone(),
        };
        let xs = (0..xs.len()).map(|i| (format!("x{i}"), x(i)));
        xs.chain(rs.iter().enumerate().map(|(i, r)| (format!("r{i}"), r.clone()))).collect::<Vec<_>>()
    };
    let found = graph.run(&inputs(None))?;
    for (part, value) in &found {
        let expected = &case.arrays[part];
        if value.shape() != expected.shape() {
            return Err(format!(
                "{part} has the shape {:?}, in PyTorch {:?}",
                value.shape(),
                expected.shape()
            ));
        }
        let scale = expected.iter().fold(1.0f32, |m, v| m.max(v.abs()));
        if !value.iter().zip(expected).all(|(a, b)| (a - b).abs() <= if half { 2e-3 } else { 2e-5 } * scale) {
            return Err(format!("{part} is\n{value}\nin PyTorch\n{expected}"));
        }
    }
    for i in (0..xs.len()).filter(|_| is_smooth(name) && !half) {
        // ⟨r, J v⟩ from a central difference against ⟨Jᵀ r, v⟩ from the gradient
        let v = direction(xs[i].shape(), i + name.len());
        let ahead = graph.run(&inputs(Some((i, &(&v * STEP)))))?;
        let behind = graph.run(&inputs(Some((i, &(&v * -STEP)))))?;
        let difference = |(k, r): (usize, &ArrayD<f32>)| {
            let y = format!("y{k}");
            (dot(r, &ahead[&y]) - dot(r, &behind[&y])) / f64::from(2.0 * STEP)
        };
        let along: f64 = rs.iter().enumerate().map(difference).sum();
        let gradient = &found[&format!("g{i}")];
        let predicted = dot(gradient, &v);
        let scale = dot(gradient, gradient).sqrt().max(1.0);
        if along.is_nan() || (along - predicted).abs() > 3e-3 * scale {
            return Err(format!("g{i} gives {predicted} along a direction, the difference gives {along}"));
        }
    }
    Ok(())
}

fn check_all(fixture: &str) {
    let wrong: Vec<_> = cases(fixture)
        .iter()
        .filter_map(|(name, case)| check(name, case).err().map(|why| format!("{name}: {why}")))
        .collect();
    assert!(wrong.is_empty(), "{} cases fail:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn values_and_gradients_match_pytorch_and_finite_differences() {
    check_all("rules");
}

/// Whether a node has a type of its own, or opset 18 allows f32 only.
fn in_f32_only(name: &str) -> bool {
    name.starts_with("Cast") || name.starts_with("Celu")
}

/// Compares the gradients of the nodes in `dtype` with PyTorch's, up to `tolerance`. Ops for which ONNX Runtime has
/// no CPU kernel in that type are left out; at least `least` cases must remain.
fn check_in(dtype: DType, tolerance: f32, least: usize) {
    let (mut wrong, mut count) = (vec![], 0);
    for (name, case) in cases("rules").iter().filter(|(name, _)| !in_f32_only(name)) {
        let (mut xs, rs) = (numbered(case, 'x'), numbered(case, 'r'));
        if dtype == DType::F16 {
            // ONNX Runtime's CPU kernels compute in f32 and may skip the Cast to f16 on one of several paths. Inputs
            // that f16 represents make no difference between the paths.
            xs.iter_mut().for_each(|x| x.mapv_inplace(|v| f32::from_bits(v.to_bits() & !0x1fff)));
        }
        let shapes: Vec<Vec<usize>> = xs.iter().map(|x| x.shape().to_vec()).collect();
        let graph = match differentiated_in(name, &shapes, rs.len(), dtype) {
            Ok(graph) => graph,
            Err(e) => {
                wrong.push(format!("{name}: {e}"));
                continue;
            }
        };
        let named = |letter: char, arrays: Vec<ArrayD<f32>>| {
            arrays.into_iter().enumerate().map(move |(i, a)| (format!("{letter}{i}"), a)).collect::<Vec<_>>()
        };
        let inputs = [named('x', xs), named('r', rs)].concat();
        let found = match LoadedGraph::new(name, graph).and_then(|r| r.run(&inputs)) {
            Ok(found) => found,
            Err(e) if e.contains("NOT_IMPLEMENTED") || e.contains("Could not find an implementation") => {
                continue;
            }
            Err(e) => {
                wrong.push(format!("{name}: {}", e.lines().next().unwrap_or_default()));
                continue;
            }
        };
        count += 1;
        for (part, value) in found {
            let expected = &case.arrays[&part];
            let scale = expected.iter().fold(1.0f32, |m, v| m.max(v.abs()));
            let error = value.iter().zip(expected).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
            if error.is_nan() || error > tolerance * scale {
                wrong.push(format!("{name}: {part} differs by {error}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= least, "{count} cases");
}

#[test]
fn graphs_in_f64_are_differentiated_in_f64() {
    check_in(DType::F64, 2e-6, 150);
}

#[test]
fn graphs_in_f16_are_differentiated_in_f16() {
    check_in(DType::F16, 2e-2, 200);
}

#[test]
fn values_and_gradients_of_files_match_pytorch_and_finite_differences() {
    check_all("models");
}

#[test]
fn files_without_a_rule_are_refused_by_op_and_reason() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/models.npz");
    let mut file = NpzReader::new(File::open(path).unwrap()).unwrap();
    let names: Vec<_> = file.names().unwrap().into_iter().filter(|n| n.contains("|refused")).collect();
    assert!(names.len() >= 11);
    for key in names {
        let model = file.by_name::<OwnedRepr<u8>, Ix1>(&key).unwrap().to_vec();
        let mut words = key.split('|').next().unwrap().splitn(3, ' ').skip(1);
        let (op, why) = (words.next().unwrap(), words.next().unwrap());
        let text = gani_onnx::read::from_bytes("net.onnx", model, None, &[]).unwrap_err().to_string();
        for part in [op, why, "net.onnx"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

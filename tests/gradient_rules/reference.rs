//! Each case of `fixtures/rules.npz`: values and gradients against PyTorch's, and against finite differences.

use crate::node::{Running, differentiated};
use ndarray::{ArrayD, IxDyn, OwnedRepr};
use ndarray_npy::NpzReader;
use std::collections::BTreeMap;
use std::fs::File;

/// Half the step of a central difference. The inputs keep farther from kinks.
const STEP: f32 = 2e-3;

type Case = BTreeMap<String, ArrayD<f32>>;

/// The cases in the order of the file.
fn cases() -> Vec<(String, Case)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/rules.npz");
    let mut file = NpzReader::new(File::open(path).unwrap()).unwrap();
    let mut cases: Vec<(String, Case)> = vec![];
    for key in file.names().unwrap() {
        let (name, part) = key.split_once('|').unwrap();
        if cases.last().is_none_or(|(last, _)| last != name) {
            cases.push((name.into(), Case::new()));
        }
        let array = file.by_name::<OwnedRepr<f32>, IxDyn>(&key).unwrap();
        cases.last_mut().unwrap().1.insert(part.trim_end_matches(".npy").into(), array);
    }
    cases
}

pub fn names() -> Vec<String> {
    cases().into_iter().map(|(name, _)| name).collect()
}

/// Whether finite differences exist.
pub fn is_smooth(name: &str) -> bool {
    !name.contains(":ties")
}

/// The arrays `letter`0, `letter`1, …
fn numbered(case: &Case, letter: char) -> Vec<ArrayD<f32>> {
    (0..).map_while(|i| case.get(&format!("{letter}{i}")).cloned()).collect()
}

/// A direction that is the same in every run.
fn direction(shape: &[usize], seed: usize) -> ArrayD<f32> {
    let mut state = seed as u64 * 7919 + 17;
    ArrayD::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    })
}

fn dot(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// What is wrong with a case, if anything.
fn check(name: &str, case: &Case) -> Result<(), String> {
    let (xs, rs) = (numbered(case, 'x'), numbered(case, 'r'));
    let shapes: Vec<Vec<usize>> = xs.iter().map(|x| x.shape().to_vec()).collect();
    let graph = differentiated(name, &shapes, rs.len()).map_err(|e| e.to_string())?;
    let running = Running::new(name, graph)?;
    let inputs = |moved: Option<(usize, &ArrayD<f32>)>| {
        let x = |i: usize| match moved {
            Some((j, by)) if i == j => &xs[i] + by,
            _ => xs[i].clone(),
        };
        let xs = (0..xs.len()).map(|i| (format!("x{i}"), x(i)));
        xs.chain(rs.iter().enumerate().map(|(i, r)| (format!("r{i}"), r.clone()))).collect::<Vec<_>>()
    };
    let found = running.run(&inputs(None))?;
    for (part, value) in &found {
        let expected = &case[part];
        if value.shape() != expected.shape() {
            return Err(format!(
                "{part} has the shape {:?}, PyTorch's {:?}",
                value.shape(),
                expected.shape()
            ));
        }
        let scale = expected.iter().fold(1.0f32, |m, v| m.max(v.abs()));
        if !value.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 2e-5 * scale) {
            return Err(format!("{part} is\n{value}\ninstead of PyTorch's\n{expected}"));
        }
    }
    for i in (0..xs.len()).filter(|_| is_smooth(name)) {
        // ⟨r, J v⟩ by a central difference against ⟨Jᵀ r, v⟩
        let v = direction(xs[i].shape(), i + name.len());
        let ahead = running.run(&inputs(Some((i, &(&v * STEP)))))?;
        let behind = running.run(&inputs(Some((i, &(&v * -STEP)))))?;
        let difference = |(k, r): (usize, &ArrayD<f32>)| {
            let y = format!("y{k}");
            (dot(r, &ahead[&y]) - dot(r, &behind[&y])) / f64::from(2.0 * STEP)
        };
        let along: f64 = rs.iter().enumerate().map(difference).sum();
        let gradient = &found[&format!("g{i}")];
        let predicted = dot(gradient, &v);
        let scale = dot(gradient, gradient).sqrt().max(1.0);
        if along.is_nan() || (along - predicted).abs() > 3e-3 * scale {
            return Err(format!("g{i} predicts {predicted} along a direction, the difference is {along}"));
        }
    }
    Ok(())
}

#[test]
fn values_and_gradients_are_pytorchs_and_finite_differences() {
    let wrong: Vec<_> = cases()
        .iter()
        .filter_map(|(name, case)| check(name, case).err().map(|why| format!("{name}: {why}")))
        .collect();
    assert!(wrong.is_empty(), "{} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

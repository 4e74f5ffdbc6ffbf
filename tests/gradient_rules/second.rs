//! Second derivatives: the gradient of a directional derivative, against differences of the gradient.

use crate::node::{LoadedGraph, Node};
use crate::reference::{cases, direction, dot, is_smooth, numbered};
use gani_onnx::{Attrs, Builder, Graph};
use ndarray::ArrayD;

/// Half the step of a central difference.
const STEP: f32 = 2e-3;

/// The graph of g0… = ∂(Σ r·y)/∂x and h0… = ∂(Σ v·g)/∂x, with inputs x0…, r0… and v0….
fn twice_differentiated(text: &str, shapes: &[Vec<usize>], outputs: usize) -> gani_onnx::Result<Graph> {
    let b = Builder::new();
    let xs: Vec<_> = shapes.iter().enumerate().map(|(i, s)| b.input(&format!("x{i}"), s)).collect();
    let mut loss = b.scalar(0.0);
    for (i, y) in Node::parse(text).add(&b, &xs, outputs).into_iter().enumerate() {
        let y = b.op("Cast", &[Some(y)], Attrs::new().int("to", 1))[0];
        let y = if y.constant().is_some() { y + b.scalar(0.0) } else { y };
        loss = loss + (b.input(&format!("r{i}"), &y.shape()) * y).sum_all();
    }
    let mut along = b.scalar(0.0);
    for (i, g) in b.gradient(loss, &xs)?.into_iter().enumerate() {
        along = along + (b.input(&format!("v{i}"), &g.shape()) * g).sum_all();
        b.output(&format!("g{i}"), g);
    }
    for (i, h) in b.gradient(along, &xs)?.into_iter().enumerate() {
        b.output(&format!("h{i}"), h);
    }
    b.finish()
}

fn check(name: &str, xs: &[ArrayD<f32>], rs: &[ArrayD<f32>]) -> Result<(), String> {
    let shapes: Vec<Vec<usize>> = xs.iter().map(|x| x.shape().to_vec()).collect();
    let graph = twice_differentiated(name, &shapes, rs.len()).map_err(|e| e.to_string())?;
    let graph = LoadedGraph::new(name, graph)?;
    let vs: Vec<_> = xs.iter().enumerate().map(|(i, x)| direction(x.shape(), i + 3 * name.len())).collect();
    let inputs = |shift: Option<(usize, &ArrayD<f32>)>| {
        let x = |i: usize| match shift {
            Some((j, by)) if i == j => &xs[i] + by,
            _ => xs[i].clone(),
        };
        let xs = (0..xs.len()).map(|i| (format!("x{i}"), x(i)));
        let rs = rs.iter().enumerate().map(|(i, r)| (format!("r{i}"), r.clone()));
        let vs = vs.iter().enumerate().map(|(i, v)| (format!("v{i}"), v.clone()));
        xs.chain(rs).chain(vs).collect::<Vec<_>>()
    };
    let found = graph.run(&inputs(None))?;
    for i in 0..xs.len() {
        let u = direction(xs[i].shape(), i + name.len());
        let ahead = graph.run(&inputs(Some((i, &(&u * STEP)))))?;
        let behind = graph.run(&inputs(Some((i, &(&u * -STEP)))))?;
        let difference = |(k, v): (usize, &ArrayD<f32>)| {
            let g = format!("g{k}");
            (dot(v, &ahead[&g]) - dot(v, &behind[&g])) / f64::from(2.0 * STEP)
        };
        let along: f64 = vs.iter().enumerate().map(difference).sum();
        let second = &found[&format!("h{i}")];
        let predicted = dot(second, &u);
        let first: f64 = vs.iter().enumerate().map(|(k, v)| dot(v, &found[&format!("g{k}")]).abs()).sum();
        let scale = dot(second, second).sqrt().max(first).max(1.0);
        if !predicted.is_finite() || (along - predicted).abs() > 2e-2 * scale {
            return Err(format!("h{i} gives {predicted} along a direction, the difference gives {along}"));
        }
    }
    Ok(())
}

#[test]
fn second_derivatives_match_finite_differences() {
    let wrong: Vec<_> = cases("rules")
        .iter()
        .filter(|(name, _)| is_smooth(name) && !name.starts_with("ConstantOfShape"))
        .filter_map(|(name, case)| {
            let (xs, rs) = (numbered(case, 'x'), numbered(case, 'r'));
            check(name, &xs, &rs).err().map(|why| format!("{name}: {why}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// At the kinks of step functions, the second derivative is 0, and finite.
#[test]
fn second_derivatives_at_kinks_are_zero() {
    for text in [
        "Relu",
        "LeakyRelu alpha=0.2",
        "LeakyRelu alpha=-0.5",
        "LeakyRelu alpha=0.0",
        "Abs",
        "Sign",
        "Clip #1=-1.0 #2=1.0",
        "HardSigmoid",
        "Max #1=[0.0]",
        "Sqrt",
        "ReduceL2",
        "ReduceMax",
        "MaxPool kernel_shape=2,2",
    ] {
        let shape = vec![1, 1, 2, 4];
        let graph = twice_differentiated(text, std::slice::from_ref(&shape), 1).unwrap();
        let r = ArrayD::from_elem(graph.input_shape("r0").unwrap(), 1.0f32);
        let graph = LoadedGraph::new(text, graph).unwrap();
        let x =
            ArrayD::from_shape_vec(shape.clone(), vec![-1.0, 0.0, 1.0, 0.0, -0.0, 1e-30, 0.0, 1.0]).unwrap();
        let x = if matches!(text, "Sqrt" | "ReduceL2") { ArrayD::zeros(shape.clone()) } else { x };
        let v = ArrayD::from_elem(shape, 1.0);
        let found = graph.run(&[("x0".into(), x), ("r0".into(), r), ("v0".into(), v)]).unwrap();
        assert!(found["h0"].iter().all(|&h| h == 0.0), "{text}: {}", found["h0"]);
    }
}

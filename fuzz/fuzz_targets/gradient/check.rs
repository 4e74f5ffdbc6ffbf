//! Random graphs of supported ops, run in ONNX Runtime. Values do not depend on whether the parameters are constants, which
//! may be folded, or inputs; gradients equal central differences; a written graph reads back the same.

mod ops;

use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_onnx::graph::Attrs;
use gani_onnx::read::ReadOptions;
use gani_onnx::{Builder, DType, Error, Expr, Result, Tensor, write};
use ndarray::{ArrayD, IxDyn};
use ops::{Bytes, Net};
use std::sync::LazyLock;

/// The variables: two inputs, then parameters.
const SHAPES: [&[usize]; 6] = [&[2, 3], &[1, 4, 4, 4], &[3], &[3, 3], &[4], &[4, 2, 3, 3]];
const INPUTS: usize = 2;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, threads: 1, library: None };
    Runtime::load(&options).expect("`cargo xtask setup` installs ONNX Runtime")
});

/// Checks the graph that `data` describes: its first byte chooses the element type and the values, the others the ops.
///
/// # Panics
/// If a value or a gradient is wrong.
pub fn check(data: &[u8]) {
    let Some((&kind, program)) = data.split_first() else { return };
    let dtype = if kind % 4 == 0 { DType::F32 } else { DType::F64 };
    check_program(kind, dtype, &program[..program.len().min(40)]);
}

fn values(seed: u64, shape: &[usize]) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..shape.iter().product()).map(|_| next()).collect()
}

/// Σ value·v over all values of the program, v pseudo-random.
fn loss<'g>(b: &'g Builder, program: &[u8], variables: &[Expr<'g>], dtype: DType) -> Expr<'g> {
    let mut net = Net::new(b, variables, dtype);
    let mut bytes = Bytes(program);
    while let Some(op) = bytes.next() {
        net.step(op, &mut bytes);
    }
    let terms = net.values().iter().enumerate().skip(SHAPES.len()).map(|(i, &y)| {
        let v = values(i as u64 + 100, &y.shape()).into_iter().map(f64::from).collect::<Vec<_>>();
        (y * b.constant(Tensor::from_f64(&y.shape(), &v, dtype).expect("sizes match"))).sum_all()
    });
    terms.reduce(|a, t| a + t).unwrap_or_else(|| variables[0].sum_all())
}

fn cast<'g>(x: Expr<'g>, to: i64) -> Expr<'g> {
    x.builder().op("Cast", &[Some(x)], Attrs::new().int("to", to))[0]
}

/// The graph of all that is compared, as [value with constants, value with inputs, both one-sided differences, gradient with
/// inputs along the direction, its part of the inputs, the same with constants].
fn graph(kind: u8, program: &[u8], dtype: DType) -> Result<Vec<u8>> {
    let b = Builder::new();
    let code = if dtype == DType::F64 { 11 } else { 1 };
    let number = |v: f64| b.constant(Tensor::from_f64(&[], &[v], dtype).expect("one value"));
    let h = if dtype == DType::F64 { 1e-5 } else { 4e-3 };
    let (mut inputs, mut constants, mut directions) = (vec![], vec![], vec![]);
    for (i, shape) in SHAPES.iter().enumerate() {
        let x = cast(b.input(&format!("x{i}"), shape), code);
        directions.push(cast(b.input(&format!("d{i}"), shape), code));
        inputs.push(x);
        let value: Vec<f64> = values(u64::from(kind) + i as u64, shape).into_iter().map(f64::from).collect();
        let constant = || b.constant(Tensor::from_f64(shape, &value, dtype).expect("sizes match"));
        constants.push(if i < INPUTS { x } else { constant() });
    }
    let moved =
        |s: f64| -> Vec<_> { inputs.iter().zip(&directions).map(|(&x, &d)| x + d * number(s)).collect() };
    let here = loss(&b, program, &inputs, dtype);
    let folded = loss(&b, program, &constants, dtype);
    let (ahead, behind) = (loss(&b, program, &moved(h), dtype), loss(&b, program, &moved(-h), dtype));
    let g = b.gradient(here, &inputs)?;
    let g_folded = b.gradient(folded, &constants[..INPUTS])?;
    let mut parts: Vec<_> = g.iter().zip(&directions).map(|(&g, &d)| (g * d).sum_all()).collect();
    let of_inputs = parts[0] + parts[1];
    let all = parts.drain(..).reduce(|a, t| a + t).expect("there are variables");
    let of_folded = (g_folded[0] * directions[0]).sum_all() + (g_folded[1] * directions[1]).sum_all();
    let inverse = number(1.0 / h);
    let found =
        [folded, here, (ahead - here) * inverse, (here - behind) * inverse, all, of_inputs, of_folded];
    for (i, value) in found.into_iter().enumerate() {
        b.output(&format!("y{i}"), cast(value, 1));
    }
    write::to_bytes(&b.finish()?)
}

fn check_program(kind: u8, dtype: DType, program: &[u8]) {
    let bytes = match graph(kind, program, dtype) {
        Ok(bytes) => bytes,
        Err(Error::Unsupported(_) | Error::Limits(_)) => return,
        Err(e) => panic!("a valid graph was refused: {e}"),
    };
    let again = ReadOptions::new().read_bytes("written", bytes, None).expect("a written graph can be read");
    let bytes = write::to_bytes(&again).expect("a graph that was read can be written");
    let session = match RUNTIME.session("fuzz", &bytes) {
        Ok(session) => session,
        // f64 and f32 kernels differ; what ONNX Runtime does not implement is not compared.
        Err(e)
            if e.to_string().contains("NOT_IMPLEMENTED")
                || e.to_string().contains("Could not find an implementation") =>
        {
            return;
        }
        Err(e) => panic!("ONNX Runtime refused the graph: {e}\n{again}"),
    };
    let mut arrays = vec![];
    for (i, shape) in SHAPES.iter().enumerate() {
        let array = |seed| ArrayD::from_shape_vec(IxDyn(shape), values(seed, shape)).expect("sizes match");
        arrays.push((format!("x{i}"), array(u64::from(kind) + i as u64)));
        arrays.push((format!("d{i}"), array(u64::from(kind) + 50 + i as u64)));
    }
    let used: Vec<_> = session.inputs().iter().map(|info| info.name.clone()).collect();
    let views: Vec<_> =
        arrays.iter().filter(|(n, _)| used.contains(n)).map(|(n, a)| (n.as_str(), a.view())).collect();
    let y = session.run(&views, &Cancel::new()).unwrap_or_else(|e| panic!("{e}\n{again}"));
    let y: Vec<f64> = y.iter().map(|a| f64::from(a.sum())).collect();
    compare(&y, dtype).unwrap_or_else(|what| panic!("{what}: {y:?} ({dtype:?})\n{again}"));
}

fn compare(y: &[f64], dtype: DType) -> std::result::Result<(), String> {
    let [folded, here, right, left, all, of_inputs, of_folded] = y[..] else {
        return Err("seven values".into());
    };
    if y.iter().any(|v| !v.is_finite() || v.abs() > 1e4) {
        // Large values leave no digits for the difference; a gradient may only be infinite if the value is.
        let lost = here.abs() < 1e4 && right.abs() < 1e4 && left.abs() < 1e4 && !all.is_finite();
        return if lost { Err("the gradient is not finite".into()) } else { Ok(()) };
    }
    let close = |a: f64, b: f64, tolerance: f64| (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()));
    let exact = if dtype == DType::F64 { 1e-5 } else { 1e-3 };
    if !close(folded, here, exact) {
        return Err("folding changes the value".into());
    }
    if !close(of_inputs, of_folded, exact * 10.0) {
        return Err("folding changes the gradient".into());
    }
    let (smooth, tolerance) = if dtype == DType::F64 { (1e-3, 2e-3) } else { (2e-2, 5e-2) };
    if !close(right, left, smooth) {
        return Ok(()); // a kink, or too curved
    }
    match close(
        (right + left) / 2.0,
        all,
        tolerance + here.abs() * if dtype == DType::F64 { 0.0 } else { 1e-4 },
    ) {
        true => Ok(()),
        false => Err("the gradient differs from the difference".into()),
    }
}

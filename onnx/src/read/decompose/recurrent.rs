//! RNN, GRU and LSTM, unrolled over a static number of steps.

mod cell;

use super::Node;
use crate::graph::Attr;
use crate::{Attrs, Expr, Result};
use cell::{Cell, Weights};

/// Limit on the number of steps.
const MAX_STEPS: usize = 4096;

/// Axes: steps S, batch N, features I, hidden H, directions D. Y `[S, D, N, H]` is every step's state, Y_h
/// `[D, N, H]` the last one, and, for LSTM, Y_c the last cell state. With `layout` 1, the batch is the first
/// axis of inputs and outputs.
pub(super) fn decompose<'g>(node: &Node<'_, 'g>) -> Result<Vec<Expr<'g>>> {
    for name in ["activation_alpha", "activation_beta"] {
        node.refuse(name)?;
    }
    if node.attrs.get_int("input_forget", 0) != 0 {
        return Err(node.unsupported("the attribute `input_forget` = 1"));
    }
    let b = node.builder;
    let batch_first = node.attrs.get_int("layout", 0) != 0;
    let swapped = |e: Expr<'g>| if batch_first { e.transpose(&[1, 0, 2]) } else { e };
    let x = node.x(0)?;
    let x = if x.shape().len() == 3 { swapped(x) } else { x };
    let ([steps, n, _], [directions, _, hidden]) = (three(node, x, 0)?, three(node, node.x(2)?, 2)?);
    if steps == 0 || steps > MAX_STEPS {
        return Err(node.unsupported(&format!("{steps} steps; 1 to {MAX_STEPS} can be unrolled")));
    }
    full_lengths(node, steps, n)?;
    let reversed = reversed(node, directions)?;
    let activations = activations(node, directions)?;
    let (mut ys, mut last, mut last_cells) = (vec![], vec![], vec![]);
    for (d, &reverse) in reversed.iter().enumerate() {
        let of = |e: Expr<'g>| {
            let shape = e.shape();
            e.slice(&[0], &[d as i64], &[d as i64 + 1], &[1]).reshape(&shape[1..])
        };
        let start = |i: usize| match node.get(i) {
            Some(e) => of(swapped(e)),
            None => x.number(0.0).expand(&[n, hidden]),
        };
        let cell = Cell {
            node,
            hidden,
            weights: Weights {
                w: of(node.x(1)?),
                r: of(node.x(2)?),
                b: node.get(3).map(of),
                p: node.get(7).map(of),
            },
            activations: &activations[d * activations.len() / directions..],
        };
        let (states, c) = cell.unroll(x, start(5), start(6), reverse)?;
        last.push(states[if reverse { 0 } else { steps - 1 }].reshape(&[1, n, hidden]));
        last_cells.push(c.reshape(&[1, n, hidden]));
        let rows: Vec<_> = states.iter().map(|h| h.reshape(&[1, 1, n, hidden])).collect();
        ys.push(b.concat(&rows, 0));
    }
    let y = b.concat(&ys, 1);
    let y = if batch_first { y.transpose(&[2, 0, 1, 3]) } else { y };
    let mut results = vec![y, swapped(b.concat(&last, 0))];
    if node.op == "LSTM" {
        results.push(swapped(b.concat(&last_cells, 0)));
    }
    Ok(results)
}

/// Whether each direction reads the steps from last to first.
fn reversed(node: &Node<'_, '_>, directions: usize) -> Result<&'static [bool]> {
    let reversed: &[bool] = match node.attrs.get_str("direction", "forward") {
        "forward" => &[false],
        "reverse" => &[true],
        "bidirectional" => &[false, true],
        other => return Err(node.malformed(&format!("`direction` = {other}"))),
    };
    match reversed.len() == directions {
        true => Ok(reversed),
        false => Err(node.malformed(&format!("the weights have {directions} directions"))),
    }
}

fn three(node: &Node<'_, '_>, x: Expr<'_>, i: usize) -> Result<[usize; 3]> {
    x.shape().try_into().map_err(|_| node.malformed(&format!("input {i} must have three axes")))
}

/// Refuses sequences shorter than the number of steps.
fn full_lengths(node: &Node<'_, '_>, steps: usize, n: usize) -> Result<()> {
    let Some(lengths) = node.get(4) else { return Ok(()) };
    match lengths.constant() {
        Some(t) if t.to_f64() == vec![steps as f64; n] => Ok(()),
        _ => {
            Err(node.unsupported("the input `sequence_lens`; only sequences of full length can be unrolled"))
        }
    }
}

/// The names of the activation functions, those of each direction in a row.
fn activations(node: &Node<'_, '_>, directions: usize) -> Result<Vec<String>> {
    let default: &[&str] = match node.op {
        "LSTM" => &["Sigmoid", "Tanh", "Tanh"],
        "GRU" => &["Sigmoid", "Tanh"],
        _ => &["Tanh"],
    };
    match node.attrs.0.get("activations") {
        Some(Attr::Strs(names)) if names.len() == default.len() * directions => {
            let known = ["Relu", "Tanh", "Sigmoid", "Softsign", "Softplus"];
            match names.iter().find(|n| !known.contains(&n.as_str())) {
                Some(name) => Err(node.unsupported(&format!("the activation {name}"))),
                None => Ok(names.clone()),
            }
        }
        None => Ok(default.repeat(directions).iter().map(|s| s.to_string()).collect()),
        Some(_) => Err(node.malformed("`activations` does not fit the number of directions")),
    }
}

/// min(max(x, −limit), limit)
fn clipped<'g>(x: Expr<'g>, limit: f32) -> Expr<'g> {
    x.builder().op1("Clip", &[x, x.number((-limit).into()), x.number(limit.into())], Attrs::new())
}

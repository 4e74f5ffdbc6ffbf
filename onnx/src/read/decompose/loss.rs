//! NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.

use super::Node;
use crate::{Attrs, DType, Error, Expr, Result, Tensor};

/// l[n, d] = −w[t] log p[n, t, d] for the class t = target[n, d], 0 where t is `ignore_index`; then the sum, or
/// the mean weighted by w, or all of l. `log p` is the input, or its LogSoftmax over the classes, which is the
/// second output.
pub(super) fn decompose<'g>(node: &Node<'_, 'g>) -> Result<Vec<Expr<'g>>> {
    let (x, target, b) = (node.x(0)?, node.x(1)?.cast(DType::I64), node.builder);
    let (shape, at) = (x.shape(), target.shape());
    let [n, classes, rest @ ..] = &shape[..] else {
        return Err(node.malformed("the input must be [N, C, …]"));
    };
    if at != [&[*n], rest].concat() {
        return Err(node.malformed(&format!("the targets {at:?} do not fit the scores {shape:?}")));
    }
    let log_p = match node.op {
        "SoftmaxCrossEntropyLoss" => b.op1("LogSoftmax", &[x], Attrs::new().int("axis", 1)),
        _ => x,
    };
    let int = |v: i64| b.constant(Tensor::ints(&[v]));
    let ignored = node.attrs.0.contains_key("ignore_index");
    let ignored = ignored.then(|| target.binary("Equal", int(node.attrs.get_int("ignore_index", 0))));
    let class = ignored.map_or(target, |ignored| ignored.select(int(0), target));
    // log p at the target: [N, 1, d…] → [N, d…]
    let along = Attrs::new().int("axis", 1);
    let chosen =
        b.op1("GatherElements", &[log_p, class.reshape(&[&[*n, 1], rest].concat())], along).reshape(&at);
    let (zero, one) = (x.number(0.0), x.number(1.0));
    let weight = match node.get(2) {
        Some(w) if w.shape() != [*classes] => {
            return Err(Error::Model(format!("{}: the weights do not fit", node.op)));
        }
        Some(w) => Some(b.op1("Gather", &[w, class], Attrs::new().int("axis", 0))),
        None => None,
    };
    let weight = match ignored {
        Some(ignored) => Some(ignored.select(zero, weight.unwrap_or(one))),
        None => weight,
    };
    let losses = -weight.map_or(chosen, |w| w * chosen);
    let loss = match node.attrs.get_str("reduction", "mean") {
        "none" => losses,
        "sum" => losses.sum_all(),
        "mean" => weight.map_or_else(|| losses.mean_all(), |w| losses.sum_all() / w.expand(&at).sum_all()),
        other => return Err(node.malformed(&format!("`reduction` = {other}"))),
    };
    Ok(vec![loss, log_p])
}

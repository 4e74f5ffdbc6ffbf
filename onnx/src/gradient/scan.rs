//! CumSum and Trilu: linear ops that are their own gradients, up to direction.

use super::context::{Grads, VjpContext};
use crate::{Attrs, Result};

pub(super) fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let g = ctx.g();
    let inputs: Vec<_> =
        [Some(g)].into_iter().chain((1..ctx.node.inputs.len()).map(|i| ctx.input(i))).collect();
    let attrs = match ctx.op() {
        // yᵢ = Σ x_j over j ≤ i (j < i if exclusive), so dx_j = Σ gᵢ over i ≥ j
        "CumSum" => {
            let reverse = ctx.attrs().get_int("reverse", 0) == 0;
            Attrs::new().int("exclusive", ctx.attrs().get_int("exclusive", 0)).int("reverse", reverse.into())
        }
        // y = x ⊙ mask, so dx = g ⊙ mask
        "Trilu" => ctx.attrs().clone(),
        _ => return Ok(None),
    };
    Ok(Some(vec![ctx.builder.op(ctx.op(), &inputs, attrs).first().copied()]))
}

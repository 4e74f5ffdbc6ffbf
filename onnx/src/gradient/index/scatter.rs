//! ScatterElements and ScatterND with every reduction.

use crate::gradient::context::{Grads, VjpContext};
use crate::ops::axis;
use crate::{Attrs, Error, Expr, Result};

/// The scatter of a node, and the gather at the same positions.
struct Positions<'a, 'g> {
    ctx: &'a VjpContext<'a, 'g>,
    indices: Expr<'g>,
    /// The axis of ScatterElements; `None` for ScatterND.
    axis: Option<i64>,
}

impl<'g> Positions<'_, 'g> {
    fn attrs(&self) -> Attrs {
        self.axis.map_or_else(Attrs::new, |axis| Attrs::new().int("axis", axis))
    }

    fn scatter(&self, data: Expr<'g>, updates: Expr<'g>, reduction: &str) -> Expr<'g> {
        let attrs = self.attrs().str("reduction", reduction);
        self.ctx.builder.op1(self.ctx.op(), &[data, self.indices, updates], attrs)
    }

    /// `data` plus the updates at their positions.
    fn add(&self, data: Expr<'g>, updates: Expr<'g>) -> Expr<'g> {
        match self.axis {
            Some(_) => self.scatter(data, updates, "add"),
            None => data + super::add_at(updates, self.indices, &data.shape()),
        }
    }

    fn gather(&self, data: Expr<'g>) -> Expr<'g> {
        let op = if self.axis.is_some() { "GatherElements" } else { "GatherND" };
        self.ctx.builder.op1(op, &[data, self.indices], self.attrs())
    }
}

/// y = x with the updates u combined in at their positions p. Both receive g times the derivative of the
/// combination: dx = g ∂y/∂x, du = (g ∂y/∂u)[p]. Without a reduction, the positions must differ, as ONNX
/// demands.
pub(super) fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Grads<'g>> {
    let (x, u, y, g) = (ctx.x(0), ctx.x(2), ctx.y(), ctx.g());
    let axis = match ctx.op() {
        "ScatterElements" => {
            Some(axis(ctx.attrs().get_int("axis", 0), x.shape().len()).map_err(Error::Model)? as i64)
        }
        _ => None,
    };
    let at = Positions { ctx, indices: ctx.x(1), axis };
    let (zero, one) = (ctx.scalar(0.0), ctx.scalar(1.0));
    let (dx, du) = match ctx.attrs().get_str("reduction", "none") {
        // ∂y/∂x = 0 at the positions, 1 elsewhere; ∂y/∂u = 1
        "none" => (at.scatter(g, zero.expand(&u.shape()), "none"), at.gather(g)),
        // ∂y/∂x = ∂y/∂u = 1
        "add" => (g, at.gather(g)),
        // ∂y/∂x is the product of all other factors, as is ∂y/∂u: exact where factors are 0
        "mul" => {
            let is_zero = |e: Expr<'g>| e.binary("Equal", zero);
            let filled = |e: Expr<'g>| is_zero(e).select(one, e);
            let zeros = |e: Expr<'g>| is_zero(e).cast(y.dtype());
            let product = at.scatter(filled(x), filled(u), "mul");
            let count = at.add(zeros(x), zeros(u));
            let others = |g: Expr<'g>, product: Expr<'g>, count: Expr<'g>, e: Expr<'g>| {
                (count - zeros(e)).greater(zero).select(zero, g * product / filled(e))
            };
            (others(g, product, count, x), others(at.gather(g), at.gather(product), at.gather(count), u))
        }
        // Equal shares among the elements that attain the extremum
        "min" | "max" => {
            let hit = |e: Expr<'g>, y: Expr<'g>| e.binary("Equal", y).cast(y.dtype());
            let (hit_x, hit_u) = (hit(x, y), hit(u, at.gather(y)));
            let share = g / at.add(hit_x, hit_u);
            (hit_x * share, hit_u * at.gather(share))
        }
        other => return Err(ctx.unsupported(&format!("the reduction `{other}` has no rule"))),
    };
    Ok(vec![Some(dx), None, Some(du)])
}

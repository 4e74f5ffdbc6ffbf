//! Einsum: the gradient of each input is an Einsum of the other inputs and g.

use super::context::{Grads, VjpContext, unbroadcast};
use crate::ops::Equation;
use crate::{Attrs, Error, Expr, Result};

/// y[o] = Σ Π xᵢ[tᵢ] over all labels that are not in o, so dxᵢ[tᵢ] = Σ g[o] Π_{j≠i} x_j[t_j].
pub(super) fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Option<Grads<'g>>> {
    if ctx.op() != "Einsum" {
        return Ok(None);
    }
    let xs: Vec<Expr<'g>> = (0..ctx.node.inputs.len()).map(|i| ctx.x(i)).collect();
    let shapes: Vec<_> = xs.iter().map(|x| x.shape()).collect();
    let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
    let mut equation = Equation::parse(ctx.attrs().get_str("equation", ""), &shapes).map_err(Error::Model)?;
    let identities = separate_diagonals(ctx, &mut equation)?;
    let gradient = |i: usize| {
        let term = &equation.terms[i];
        let others =
            (0..xs.len()).filter(|&j| j != i).map(|j| broadcast_free(xs[j], &equation.terms[j], &equation));
        let g = (equation.output.clone(), ctx.g());
        let factors: Vec<_> = others.chain(identities.clone()).chain([g]).collect();
        // Labels of xᵢ that no factor has are summed in the forward pass: the gradient is constant along them.
        let (known, free): (Vec<char>, Vec<char>) =
            term.iter().partition(|l| factors.iter().any(|(labels, _)| labels.contains(l)));
        let sum = einsum(ctx, &factors, &known);
        if free.is_empty() && sum.shape() == shapes[i] {
            return sum;
        }
        let kept = |l: &char| if free.contains(l) { 1 } else { equation.sizes[l] };
        let wide: Vec<usize> = term.iter().map(|l| equation.sizes[l]).collect();
        unbroadcast(sum.reshape(&term.iter().map(kept).collect::<Vec<_>>()).expand(&wide), shapes[i])
    };
    Ok(Some((0..xs.len()).map(|i| ctx.needs_grad(i).then(|| gradient(i))).collect()))
}

/// A factor of a product: its labels, and its value.
type Factor<'g> = (Vec<char>, Expr<'g>);

/// Renames the second occurrence of a label within a term, and returns an identity matrix over both names for
/// each: `ii->i` becomes `ij,ij->i`, the second factor being the identity.
fn separate_diagonals<'g>(ctx: &VjpContext<'_, 'g>, equation: &mut Equation) -> Result<Vec<Factor<'g>>> {
    let mut identities = vec![];
    for t in 0..equation.terms.len() {
        for i in 0..equation.terms[t].len() {
            let label = equation.terms[t][i];
            if !equation.terms[t][..i].contains(&label) {
                continue;
            }
            let unused = ('a'..='z').chain('A'..='Z').find(|c| !equation.sizes.contains_key(c));
            let fresh = unused.ok_or_else(|| ctx.unsupported("the equation leaves no letter unused"))?;
            let n = equation.sizes[&label];
            let eye: Vec<f32> = (0..n * n).map(|k| if k / n == k % n { 1.0 } else { 0.0 }).collect();
            ctx.limit("diagonal", &[n as i64, n as i64], super::context::MAX_CONSTANT as i64)?;
            equation.sizes.insert(fresh, n);
            equation.terms[t][i] = fresh;
            identities.push((vec![label, fresh], ctx.values(&[n, n], &eye)));
        }
    }
    Ok(identities)
}

/// The input without the axes of size 1 that broadcast against a larger size of the same label.
fn broadcast_free<'g>(x: Expr<'g>, term: &[char], equation: &Equation) -> Factor<'g> {
    let kept = |(l, d): &(&char, usize)| *d == equation.sizes[*l];
    let (labels, shape): (Vec<char>, Vec<usize>) = term.iter().zip(x.shape()).filter(kept).unzip();
    (labels, x.reshape(&shape))
}

fn einsum<'g>(ctx: &VjpContext<'_, 'g>, factors: &[Factor<'g>], output: &[char]) -> Expr<'g> {
    let text = |labels: &[char]| labels.iter().collect::<String>();
    let terms: Vec<String> = factors.iter().map(|(labels, _)| text(labels)).collect();
    let attrs = Attrs::new().str("equation", &format!("{}->{}", terms.join(","), text(output)));
    ctx.builder.op1("Einsum", &factors.iter().map(|(_, x)| *x).collect::<Vec<_>>(), attrs)
}

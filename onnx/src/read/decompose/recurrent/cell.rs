//! One direction of a recurrent layer.

use super::{Node, clipped};
use crate::{Expr, Result};

/// The weights of one direction for G gates: w `[G·H, I]`, r `[G·H, H]`, b `[2·G·H]` (of the input, then of the
/// state), p `[3·H]` (the peepholes of LSTM).
pub(super) struct Weights<'g> {
    pub w: Expr<'g>,
    pub r: Expr<'g>,
    pub b: Option<Expr<'g>>,
    pub p: Option<Expr<'g>>,
}

pub(super) struct Cell<'a, 'g> {
    pub node: &'a Node<'a, 'g>,
    pub hidden: usize,
    pub weights: Weights<'g>,
    pub activations: &'a [String],
}

impl<'g> Cell<'_, 'g> {
    /// The states of all steps, in order, and the last cell state. x `[S, N, I]`, h and c `[N, H]`.
    pub fn unroll(
        &self,
        x: Expr<'g>,
        mut h: Expr<'g>,
        mut c: Expr<'g>,
        reverse: bool,
    ) -> Result<(Vec<Expr<'g>>, Expr<'g>)> {
        let (steps, n, features) = (x.dim(0), x.dim(1), x.dim(2));
        let gates = self.weights.w.dim(0);
        let count = match self.node.op {
            "LSTM" => 4,
            "GRU" => 3,
            _ => 1,
        };
        let fits = |e: Option<Expr<'g>>, size: usize| e.is_none_or(|e| e.size() == size);
        if gates != count * self.hidden
            || !fits(self.weights.b, 2 * gates)
            || !fits(self.weights.p, 3 * self.hidden)
        {
            return Err(self.node.malformed("the weights do not fit the hidden size"));
        }
        // The input's share of every step at once: [S, N, G·H]
        let rows = x.reshape(&[steps * n, features]).gemm(self.weights.w, false, true);
        let shares = self.bias(0).map_or(rows, |bias| rows + bias).reshape(&[steps, n, gates]);
        let mut states = vec![h; steps];
        for i in 0..steps {
            let t = if reverse { steps - 1 - i } else { i };
            let share = shares.slice(&[0], &[t as i64], &[t as i64 + 1], &[1]).reshape(&[n, gates]);
            (h, c) = match self.node.op {
                "LSTM" => self.lstm(share, h, c),
                "GRU" => (self.gru(share, h), c),
                _ => (self.activate(0, share + self.recurrent(h, 0, 1)), c),
            };
            states[t] = h;
        }
        Ok((states, c))
    }

    /// i, o, f = σ(x W + h R + b + p c); c' = f c + i tanh(…); h' = o tanh(c')
    fn lstm(&self, share: Expr<'g>, h: Expr<'g>, c: Expr<'g>) -> (Expr<'g>, Expr<'g>) {
        let sums = share + self.recurrent(h, 0, 4);
        let [i, o, f, g] = [0, 1, 2, 3].map(|k| self.gate(sums, k));
        let peep =
            |k: usize, e: Expr<'g>, c: Expr<'g>| self.weights.p.map_or(e, |p| e + self.rows(p, k, 1) * c);
        let (i, f) = (self.activate(0, peep(0, i, c)), self.activate(0, peep(2, f, c)));
        let c = f * c + i * self.activate(1, g);
        let o = self.activate(0, peep(1, o, c));
        (o * self.activate_unclipped(2, c), c)
    }

    /// z, r = σ(x W + h R + b); h' = (1 − z) tanh(x W + (r h) R + b) + z h
    fn gru(&self, share: Expr<'g>, h: Expr<'g>) -> Expr<'g> {
        let both = self.columns(share, 0, 2) + self.recurrent(h, 0, 2);
        let [z, r] = [0, 1].map(|k| self.activate(0, self.gate(both, k)));
        let inner = if self.node.attrs.get_int("linear_before_reset", 0) != 0 {
            r * self.recurrent(h, 2, 1)
        } else {
            self.recurrent(r * h, 2, 1)
        };
        let candidate = self.activate(1, self.gate(share, 2) + inner);
        (1.0 - z) * candidate + z * h
    }

    /// h `[N, H]` times the recurrent weights of `count` gates from gate `first` on, plus their bias.
    fn recurrent(&self, h: Expr<'g>, first: usize, count: usize) -> Expr<'g> {
        let product = h.gemm(self.rows(self.weights.r, first, count), false, true);
        self.bias(1).map_or(product, |bias| product + self.rows(bias, first, count))
    }

    /// The bias of the input (0) or of the state (1).
    fn bias(&self, half: i64) -> Option<Expr<'g>> {
        let b = self.weights.b?;
        let n = (b.size() / 2) as i64;
        Some(b.slice(&[0], &[half * n], &[(half + 1) * n], &[1]))
    }

    fn gate(&self, e: Expr<'g>, k: usize) -> Expr<'g> {
        self.columns(e, k, 1)
    }

    fn rows(&self, e: Expr<'g>, first: usize, count: usize) -> Expr<'g> {
        let (from, to) = ((first * self.hidden) as i64, ((first + count) * self.hidden) as i64);
        e.slice(&[0], &[from], &[to], &[1])
    }

    fn columns(&self, e: Expr<'g>, first: usize, count: usize) -> Expr<'g> {
        let (from, to) = ((first * self.hidden) as i64, ((first + count) * self.hidden) as i64);
        e.slice(&[1], &[from], &[to], &[1])
    }

    /// Activation function `k` of the direction, on an input limited to ±`clip`.
    fn activate(&self, k: usize, e: Expr<'g>) -> Expr<'g> {
        let clip = self.node.attrs.get_float("clip", 0.0);
        self.activate_unclipped(k, if clip > 0.0 { clipped(e, clip) } else { e })
    }

    fn activate_unclipped(&self, k: usize, e: Expr<'g>) -> Expr<'g> {
        e.unary(self.activations.get(k).map_or("Tanh", String::as_str))
    }
}

//! Replaces ops that opset 18 does not have, or for which ONNX Runtime has no CUDA kernel, by ops that have one.

mod activation;
mod arithmetic;
mod attention;
mod loss;
mod normalization;
mod pooling;
mod recurrent;
mod resize;
mod rotary;

use crate::graph::{Attr, Attrs};
use crate::{Builder, Error, Expr, Result};

/// A node of the file.
pub(super) struct Node<'a, 'g> {
    pub builder: &'g Builder,
    /// The opset of the file.
    pub opset: i64,
    pub op: &'a str,
    pub inputs: &'a [Option<Expr<'g>>],
    pub attrs: &'a Attrs,
    /// The number of outputs that the file names.
    pub outputs: usize,
}

impl<'g> Node<'_, 'g> {
    /// The outputs as other ops compute them; `None` if the op stays.
    pub fn decompose(&self) -> Result<Option<Vec<Expr<'g>>>> {
        let results = match self.op {
            "Gelu" | "Swish" | "SwiGLU" => vec![activation::decompose(self)?],
            "NegativeLogLikelihoodLoss" | "SoftmaxCrossEntropyLoss" => loss::decompose(self)?,
            "Mod" | "Celu" | "CumProd" | "SpaceToDepth" => match arithmetic::decompose(self)? {
                Some(result) => vec![result],
                None => return Ok(None),
            },
            "GroupNormalization" | "RMSNormalization" | "MeanVarianceNormalization" | "LpNormalization" => {
                vec![normalization::decompose(self)?]
            }
            "Resize" => match resize::decompose(self)? {
                Some(result) => vec![result],
                None => return Ok(None),
            },
            "LpPool" | "GlobalLpPool" => vec![pooling::decompose(self)?],
            "Attention" => attention::decompose(self)?,
            "RotaryEmbedding" => vec![rotary::decompose(self)?],
            "RNN" | "GRU" | "LSTM" => recurrent::decompose(self)?,
            _ => return Ok(None),
        };
        if results.len() < self.outputs {
            return Err(self.unsupported(&format!(
                "{} outputs; there is a rule for {}",
                self.outputs,
                results.len()
            )));
        }
        Ok(Some(results.into_iter().take(self.outputs).collect()))
    }

    fn x(&self, i: usize) -> Result<Expr<'g>> {
        self.get(i).ok_or_else(|| Error::Model(format!("{}: input {i} is missing", self.op)))
    }

    fn get(&self, i: usize) -> Option<Expr<'g>> {
        self.inputs.get(i).copied().flatten()
    }

    fn unsupported(&self, why: &str) -> Error {
        Error::Unsupported(format!("{} of opset {} with {why}", self.op, self.opset))
    }

    fn malformed(&self, why: &str) -> Error {
        Error::Model(format!("{}: {why}", self.op))
    }

    /// Refuses the attribute `name` if it is present.
    fn refuse(&self, name: &str) -> Result<()> {
        match self.attrs.0.get(name) {
            None => Ok(()),
            Some(value) => Err(self.unsupported(&format!("the attribute `{name}` = {}", shown(value)))),
        }
    }
}

fn shown(value: &Attr) -> String {
    match value {
        Attr::Int(v) => v.to_string(),
        Attr::Float(v) => v.to_string(),
        Attr::Str(v) => v.clone(),
        Attr::Ints(v) => format!("{v:?}"),
        Attr::Floats(v) => format!("{v:?}"),
        Attr::Strs(v) => v.join(", "),
        Attr::Tensor(_) => "a tensor".into(),
    }
}

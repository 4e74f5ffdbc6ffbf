//! The gradient of a whole graph, as a graph.

use crate::graph::Graph;
use crate::{Builder, Error, Expr, Result, Tensor};

/// More names of a graph are not listed in a message.
const MAX_SHOWN: usize = 10;

/// The weights v of the outputs y in Σ y·v, whose gradient is taken.
#[derive(Clone, PartialEq, Debug)]
pub enum Seed {
    /// All ones: the gradient of the sum of the output's elements.
    Ones,
    /// A graph input called `seed_` + the output's name, of its shape.
    Input,
    /// These values.
    Values(Tensor),
}

impl Seed {
    /// The weights v of the sum Σ y·v for the output `y` called `name`.
    fn weights<'g>(&self, name: &str, y: Expr<'g>) -> Result<Expr<'g>> {
        let b = y.builder();
        match self {
            Seed::Ones => {
                let one = Tensor::from_f64(&[], &[1.0], y.dtype()).unwrap_or_else(|| Tensor::scalar(1.0));
                Ok(b.constant(one).expand(&y.shape()))
            }
            Seed::Input => Ok(b.typed_input(&format!("seed_{name}"), &y.shape(), y.dtype())),
            Seed::Values(tensor) if tensor.shape() == y.shape() => Ok(b.constant(tensor.cast(y.dtype()))),
            Seed::Values(tensor) => Err(Error::Input(format!(
                "the seed has shape {:?}, but the output `{name}` has {:?}",
                tensor.shape(),
                y.shape()
            ))),
        }
    }
}

impl Graph {
    /// Returns the graph of the gradients of Σ y·v with respect to each of `wrt`, summed over the outputs y of
    /// `of` with their seeds v.
    ///
    /// `wrt` names inputs and weights. The result has the inputs of this graph, those of [`Seed::Input`] after
    /// them, and as outputs those in `of`, then `grad_` + name for each of `wrt`.
    ///
    /// ```no_run
    /// use gani_onnx::{read::ReadOptions, write, Seed};
    /// let net = ReadOptions::new().shape("x", &[1, 3, 256, 256]).read("net.onnx".as_ref())?;
    /// let gradient = net.gradient(&[("y", Seed::Ones)], &["x", "conv1.weight"])?;
    /// write::to_file(&gradient, "gradient.onnx".as_ref(), &Default::default())?;
    /// # Ok::<(), gani_onnx::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Input`] if a name is unknown, if it is not of a floating-point type, or if a seed does not fit;
    /// [`Error::Unsupported`] if a gradient has to pass through an op that has no gradient rule.
    pub fn gradient(&self, of: &[(&str, Seed)], wrt: &[&str]) -> Result<Graph> {
        let b = Builder::new();
        let mut bindings = vec![];
        for &v in &self.inputs {
            let info = self.info(v);
            bindings.push((info.name.as_str(), b.typed_input(&info.name, &info.shape, info.dtype)));
        }
        let mut variables = vec![];
        for name in wrt {
            let variable = match bindings.iter().find(|(n, _)| n == name) {
                Some((_, input)) => *input,
                None => {
                    let weight = b.weight(name, self.find_variable(name)?.clone());
                    bindings.push((name, weight));
                    weight
                }
            };
            if !variable.dtype().is_float() {
                return Err(Error::Input(format!(
                    "`{name}` is {:?}: only floating-point values have a gradient",
                    variable.dtype()
                )));
            }
            variables.push(variable);
        }
        let outputs = b.inline(self, &bindings)?;
        let mut seeds = vec![];
        for (name, seed) in of {
            let at = self.outputs.iter().position(|(n, _)| n == name);
            let y = at.and_then(|at| outputs.get(at).copied());
            let y = y.ok_or_else(|| {
                let have: Vec<_> = self.outputs.iter().map(|(n, _)| n.as_str()).collect();
                Error::Input(format!("the graph has no output called `{name}`; it has {}", have.join(", ")))
            })?;
            if !y.dtype().is_float() {
                return Err(Error::Input(format!(
                    "the output `{name}` is {:?}: only floating-point values have a gradient",
                    y.dtype()
                )));
            }
            let v = seed.weights(name, y)?;
            b.output(name, y);
            seeds.push((y, v));
        }
        let gradients = b.vector_jacobian_product(&seeds, &variables)?;
        for (name, gradient) in wrt.iter().zip(gradients) {
            b.output(&format!("grad_{name}"), gradient);
        }
        b.finish()
    }

    /// The weight called `name`, or an error that lists what there is.
    fn find_variable(&self, name: &str) -> Result<&Tensor> {
        self.find_constant(name).map_err(|_| {
            let inputs = self.inputs.iter().map(|v| self.info(*v).name.as_str());
            let names: Vec<_> = inputs.chain(self.named_constants().map(|(n, _)| n)).collect();
            let shown = names.iter().take(MAX_SHOWN).copied().collect::<Vec<_>>().join(", ");
            let more = names.len().saturating_sub(MAX_SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            Error::Input(format!(
                "the graph has neither an input nor a weight called `{name}`; it has {shown}{more}"
            ))
        })
    }
}

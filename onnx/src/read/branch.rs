//! `If` with a condition that is known when the file is read: the chosen branch takes the node's place.

use super::Reader;
use super::scope::Scope;
use crate::proto::{self, attribute_type};
use crate::{Error, Expr, Result};

impl<'a> Reader<'a> {
    /// Reads the branch that the condition chooses, in a scope of its own that sees the outer values.
    pub(super) fn branch(
        &'a self,
        node: proto::Node,
        inputs: &[Option<Expr<'a>>],
        env: &mut Scope<'_, 'a>,
    ) -> Result<()> {
        let label = node.name.unwrap_or_default();
        let condition = inputs.first().copied().flatten().and_then(|e| e.constant());
        let condition = condition.and_then(|t| t.to_f64().first().map(|&v| v != 0.0)).ok_or_else(|| {
            Error::Unsupported(format!(
                "{}: If `{label}` has a condition that is only known at run time; export the model with a fixed condition",
                self.name
            ))
        })?;
        let name = if condition { "then_branch" } else { "else_branch" };
        let chosen = node.attribute.into_iter().find(|a| a.name.as_deref() == Some(name));
        let graph = chosen.filter(|a| a.r#type == Some(attribute_type::GRAPH)).and_then(|a| a.g);
        let graph = graph.ok_or_else(|| self.bad(format!("If `{label}` has no `{name}`")))?;
        let mut scope = env.inner();
        for tensor in graph.initializer {
            let name = tensor.name.clone().unwrap_or_default();
            let value = self.tensors.tensor(tensor)?;
            scope.insert(name.clone(), self.builder.weight(&name, value));
        }
        for inner in graph.node {
            self.node(inner, &mut scope)?;
        }
        let result = |(outer, inner): (String, proto::ValueInfo)| {
            let inner = inner.name.unwrap_or_default();
            let value = scope.get(&inner);
            let missing = || self.bad(format!("no node of If `{label}` computes the output `{inner}`"));
            Ok((outer, value.ok_or_else(missing)?))
        };
        let results: Vec<_> = node.output.into_iter().zip(graph.output).map(result).collect::<Result<_>>()?;
        results.into_iter().for_each(|(name, value)| env.insert(name, value));
        Ok(())
    }
}

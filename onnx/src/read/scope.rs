//! The values that the nodes of a graph can read by name.

use crate::Expr;
use std::collections::HashMap;

/// Names of a graph; those of a branch also see the graph around it. A branch does not copy the outer names: a file can have many
/// branches.
#[derive(Default)]
pub(super) struct Scope<'s, 'g> {
    own: HashMap<String, Expr<'g>>,
    outer: Option<&'s Scope<'s, 'g>>,
}

impl<'g> Scope<'_, 'g> {
    /// The scope of a branch in this graph.
    pub fn inner(&self) -> Scope<'_, 'g> {
        Scope { own: HashMap::new(), outer: Some(self) }
    }

    pub fn insert(&mut self, name: String, value: Expr<'g>) {
        self.own.insert(name, value);
    }

    pub fn get(&self, name: &str) -> Option<Expr<'g>> {
        self.own.get(name).copied().or_else(|| self.outer?.get(name))
    }
}

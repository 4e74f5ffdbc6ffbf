//! Names the contents of a checkpoint: the keys of nested dicts, lists and modules, joined by dots.

use super::pickle::{Id, Node, Pickle, View};
use super::source::Source;
use crate::Result;
use std::collections::BTreeMap;

/// The tensor's name if the file contains a single tensor.
pub const SINGLE: &str = "tensor";

/// Maximum nesting depth of dicts.
const MAX_DEPTH: usize = 64;
/// Maximum length of a name in bytes.
const MAX_NAME: usize = 1024;
/// Maximum number of tensors, and of settings, in one file.
const MAX_COUNT: usize = 1 << 16;
/// Maximum number of values visited. A value under several names counts once for each name.
const MAX_VISITS: usize = 1 << 21;
/// Longer texts are not settings; lists longer than [`MAX_LIST`] are data.
const MAX_TEXT: usize = 1024;
const MAX_LIST: usize = 16;

/// A value of a checkpoint that is not a tensor: a training option, or an attribute of a module.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)] // each variant is its Python type
pub enum Setting {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// The contents of a checkpoint by name.
#[derive(Default)]
pub(super) struct Contents {
    pub views: BTreeMap<String, View>,
    pub settings: BTreeMap<String, Setting>,
    /// NumPy arrays.
    pub arrays: Vec<String>,
}

/// Names everything in a pickle.
pub(super) fn contents(source: &Source, pickle: &Pickle) -> Result<Contents> {
    let mut visitor =
        Visitor { source, pickle, path: String::new(), depth: 0, visits: 0, found: Contents::default() };
    visitor.value(pickle.root)?;
    Ok(visitor.found)
}

struct Visitor<'p> {
    source: &'p Source,
    pickle: &'p Pickle,
    path: String,
    depth: usize,
    visits: usize,
    found: Contents,
}

impl<'p> Visitor<'p> {
    fn node(&self, id: Id) -> &'p Node {
        &self.pickle.nodes[id as usize]
    }

    /// The name of the value that is visited.
    fn name(&self) -> String {
        if self.path.is_empty() { SINGLE.into() } else { self.path.clone() }
    }

    fn value(&mut self, id: Id) -> Result<()> {
        match self.node(id) {
            Node::Tensor(view) => {
                self.found.views.insert(self.name(), self.pickle.views[*view].clone());
            }
            Node::Array => self.found.arrays.push(self.name()),
            Node::Dict(pairs) => self.pairs(pairs)?,
            Node::List(items) => {
                self.charge(items.len())?;
                for (i, &item) in items.iter().enumerate() {
                    let scalar = !matches!(
                        self.node(item),
                        Node::Tensor(_) | Node::Array | Node::Dict(_) | Node::List(_) | Node::Object(_)
                    );
                    if !scalar || items.len() <= MAX_LIST {
                        self.visit_child(&i.to_string(), item)?;
                    }
                }
            }
            Node::Object(Some(state)) => self.object(*state)?,
            Node::None => self.setting(Setting::None),
            Node::Bool(v) => self.setting(Setting::Bool(*v)),
            Node::Int(v) => self.setting(Setting::Int(*v)),
            Node::Float(v) => self.setting(Setting::Float(*v)),
            Node::Text(v) if v.len() <= MAX_TEXT => self.setting(Setting::Text(v.clone())),
            _ => {}
        }
        let counts = [self.found.views.len(), self.found.settings.len(), self.found.arrays.len()];
        if counts.iter().any(|&count| count > MAX_COUNT) {
            return Err(self.source.limit(format!("more than {MAX_COUNT} tensors or settings")));
        }
        Ok(())
    }

    fn charge(&mut self, count: usize) -> Result<()> {
        self.visits += count;
        match self.visits > MAX_VISITS {
            true => Err(self.source.limit(format!("more than {MAX_VISITS} values in nested dicts"))),
            false => Ok(()),
        }
    }

    /// Visits the value `id` under `key`.
    fn visit_child(&mut self, key: &str, id: Id) -> Result<()> {
        let outside = self.path.len();
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(key);
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.source.limit(format!("its dicts nest deeper than {MAX_DEPTH} levels")));
        }
        if self.path.len() > MAX_NAME {
            return Err(self.source.limit(format!("a name is longer than {MAX_NAME} bytes")));
        }
        self.value(id)?;
        self.depth -= 1;
        self.path.truncate(outside);
        Ok(())
    }

    fn pairs(&mut self, pairs: &[(Id, Id)]) -> Result<()> {
        self.charge(pairs.len())?;
        for &(key, value) in pairs {
            match self.node(key) {
                Node::Text(key) => self.visit_child(key, value)?,
                Node::Int(key) => self.visit_child(&key.to_string(), value)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// A module's parameters, buffers and submodules under their own names, as in `state_dict()`; its public
    /// attributes as settings; and the constructor arguments of NVlabs' classes.
    fn object(&mut self, state: Id) -> Result<()> {
        let Node::Dict(attributes) = self.node(state) else { return Ok(()) };
        self.charge(attributes.len())?;
        for &(key, value) in attributes {
            let Node::Text(key) = self.node(key) else { continue };
            match (&key[..], self.node(value)) {
                ("_parameters" | "_buffers" | "_modules", Node::Dict(pairs)) => self.pairs(pairs)?,
                ("_init_args" | "_init_kwargs", _) => self.visit_child(key, value)?,
                (private, _) if private.starts_with('_') || private == "training" => {}
                _ => self.visit_child(key, value)?,
            }
        }
        Ok(())
    }

    fn setting(&mut self, setting: Setting) {
        if !self.path.is_empty() {
            self.found.settings.insert(self.path.clone(), setting);
        }
    }
}

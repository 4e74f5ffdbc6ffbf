//! The layers of an OpenVINO `.xml` file and the edges between them.

use crate::{Error, Result};
use std::collections::HashMap;

/// A layer of the file.
pub(super) struct Layer<'x> {
    pub name: &'x str,
    pub op: &'x str,
    /// Attributes of `<data>`.
    pub data: HashMap<&'x str, &'x str>,
    /// The (layer, port) that each input reads, in port order.
    pub inputs: Vec<(u32, u32)>,
    /// Ids of the output ports.
    pub outputs: Vec<u32>,
}

impl Layer<'_> {
    pub fn attribute(&self, key: &str) -> Result<&str> {
        self.data.get(key).copied().ok_or_else(|| self.bad(&format!("the attribute `{key}` is missing")))
    }

    /// A list of integers, such as `1, 512`; empty for an empty attribute.
    pub fn numbers(&self, key: &str) -> Result<Vec<i64>> {
        let text = self.attribute(key)?;
        let numbers = text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::parse);
        numbers
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| self.bad(&format!("the attribute `{key}` is `{text}`, not a list of numbers")))
    }

    pub fn bad(&self, reason: &str) -> Error {
        Error::Model(format!("{} `{}`: {reason}", self.op, self.name))
    }
}

/// A result whose error says what is wrong with the file.
pub(super) type Parsed<T> = std::result::Result<T, String>;

pub(super) fn layers<'x>(net: roxmltree::Node<'x, 'x>) -> Parsed<HashMap<u32, Layer<'x>>> {
    let child =
        |node: roxmltree::Node<'x, 'x>, tag: &'static str| node.children().find(move |n| n.has_tag_name(tag));
    let all = |parent: &'static str, tag: &'static str| {
        let parent = child(net, parent).ok_or_else(|| format!("it has no <{parent}>"))?;
        Parsed::Ok(parent.children().filter(move |n| n.has_tag_name(tag)))
    };
    let number = |node: roxmltree::Node<'x, 'x>, key: &str| {
        let text = node.attribute(key);
        text.and_then(|t| t.parse::<u32>().ok())
            .ok_or_else(|| format!("a <{}> has no `{key}`", node.tag_name().name()))
    };
    let mut layers = HashMap::new();
    for node in all("layers", "layer")? {
        let ports = child(node, "output").into_iter().flat_map(|o| o.children());
        let ports = ports.filter(|n| n.has_tag_name("port")).map(|p| number(p, "id"));
        let layer = Layer {
            name: node.attribute("name").unwrap_or(""),
            op: node.attribute("type").unwrap_or(""),
            data: child(node, "data")
                .into_iter()
                .flat_map(|d| d.attributes())
                .map(|a| (a.name(), a.value()))
                .collect(),
            inputs: vec![],
            outputs: ports.collect::<Parsed<_>>()?,
        };
        layers.insert(number(node, "id")?, layer);
    }
    let mut edges = Vec::new();
    for e in all("edges", "edge")? {
        edges.push((
            number(e, "to-layer")?,
            number(e, "to-port")?,
            number(e, "from-layer")?,
            number(e, "from-port")?,
        ));
    }
    edges.sort_unstable();
    for (to, _, from, port) in edges {
        let layer = layers
            .get_mut(&to)
            .ok_or_else(|| format!("an edge leads to layer {to}, which does not exist"))?;
        layer.inputs.push((from, port));
    }
    Ok(layers)
}

/// Layer ids in topological order.
pub(super) fn order(layers: &HashMap<u32, Layer<'_>>) -> Result<Vec<u32>> {
    let mut ids: Vec<u32> = layers.keys().copied().collect();
    ids.sort_unstable();
    let mut waiting: HashMap<u32, usize> = ids.iter().map(|id| (*id, layers[id].inputs.len())).collect();
    let mut readers: HashMap<u32, Vec<u32>> = HashMap::new();
    for &id in &ids {
        for (from, _) in &layers[&id].inputs {
            readers.entry(*from).or_default().push(id);
        }
    }
    let mut ready: std::collections::BTreeSet<u32> =
        ids.iter().copied().filter(|id| waiting[id] == 0).collect();
    let mut sorted = Vec::with_capacity(ids.len());
    while let Some(id) = ready.pop_first() {
        sorted.push(id);
        for reader in readers.get(&id).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(reader) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(*reader);
                }
            }
        }
    }
    if sorted.len() < ids.len() {
        return Err(Error::Model("its layers form a circle, or depend on a layer that is missing".into()));
    }
    Ok(sorted)
}

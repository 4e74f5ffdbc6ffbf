//! The tunable weights of an `.onnx` generator, chosen by a pattern.

use crate::{Error, Result};
use gani_onnx::{Graph, Node, Value};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// The convolution weights whose names match `pattern`, in forward order. `path` appears in messages.
///
/// # Errors
/// [`Error::Input`] if there is no pattern or it matches nothing. Lists some of the weights.
pub(super) fn tunable(graph: &Graph, pattern: Option<&str>, path: &Path) -> Result<Vec<String>> {
    let weights = convolution_weights(graph);
    let matching: Vec<String> =
        weights.iter().filter(|n| pattern.is_some_and(|p| matches_pattern(p, n))).cloned().collect();
    if !matching.is_empty() {
        return Ok(matching);
    }
    let examples: Vec<&str> = weights.iter().take(6).map(String::as_str).collect();
    let more = if weights.len() > examples.len() { ", …" } else { "" };
    let list = format!("{}: {}{more}", weights.len(), examples.join(", "));
    let path = path.display();
    Err(Error::Input(match (pattern, weights.is_empty()) {
        (_, true) => format!("{path}: the generator has no named convolution weights to tune"),
        (Some(p), _) => {
            format!("the tunable pattern `{p}` matches no convolution weight of {path}, which has {list}")
        }
        (None, _) => format!(
            "{path}: a generator in an .onnx file needs a tunable pattern that matches the names of the weights to tune; its \
             convolution weights are {list}"
        ),
    }))
}

/// Names of the dense weights `[O, I, k, k]` of convolutions in forward order. A weight may be modulated, reshaped or transposed
/// on its way to the convolution.
fn convolution_weights(graph: &Graph) -> Vec<String> {
    let weight_name = |v: Value| {
        let (info, is_dense) = (graph.info(v), graph.constant(v).is_some_and(|t| t.as_f32().is_some()));
        let is_unnamed = info.name.is_empty() || info.name.starts_with('%');
        (is_dense && !is_unnamed && info.shape.len() == 4 && info.shape[1] > 1).then(|| info.name.clone())
    };
    // Values computed from a weight, with the weight's name.
    let mut derived: HashMap<Value, String> = HashMap::new();
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    let origin = |derived: &HashMap<Value, String>, v: Option<Value>| {
        v.and_then(|v| weight_name(v).or_else(|| derived.get(&v).cloned()))
    };
    let transparent = ["Mul", "Div", "Reshape", "Transpose", "Unsqueeze", "Squeeze", "Cast", "Identity"];
    for Node { op, inputs, outputs, .. } in graph.nodes() {
        if op == "Conv" || op == "ConvTranspose" {
            let name = origin(&derived, inputs.get(1).copied().flatten());
            found.extend(name.filter(|name| names.insert(name.clone())));
        } else if transparent.contains(&op.as_str()) {
            let name = inputs.iter().find_map(|v| origin(&derived, *v));
            derived.extend(name.zip(outputs.first().copied()).map(|(name, v)| (v, name)));
        }
    }
    found
}

/// Whether `name` matches `pattern`: `*` stands for any text, `?` for one character.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let mut characters = name.chars();
    let Some(first) = pattern.chars().next() else { return name.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    match first {
        '*' => {
            let starts = name.char_indices().map(|(i, _)| i).chain([name.len()]);
            starts.into_iter().any(|i| matches_pattern(rest, &name[i..]))
        }
        '?' => characters.next().is_some() && matches_pattern(rest, characters.as_str()),
        c => characters.next() == Some(c) && matches_pattern(rest, characters.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::matches_pattern;

    #[test]
    fn patterns_match_names() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("conv*.weight", "convs.0.conv.weight", true),
            ("conv?.weight", "conv1.weight", true),
            ("conv?.weight", "conv10.weight", false),
            ("*.conv.weight", "convs.0.conv.weight.x", false),
            ("", "a", false),
        ] {
            assert_eq!(matches_pattern(pattern, name), expected, "{pattern} on {name}");
        }
    }
}

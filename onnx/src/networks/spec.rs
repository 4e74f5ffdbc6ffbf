//! The expected contents of a network's checkpoint: every key with its shape. Channel widths are taken from
//! the file.
//!
//! A shape is written as `"1 c64 c32 3 3"`: numbers are fixed, names are widths, and `49*d` is a multiple of
//! a width. The value of a width is decided by a majority of the tensors that use it, so that a single tensor
//! of the wrong shape is detected.

use crate::checkpoint::Checkpoint;
use crate::{Error, Result};
use std::collections::{BTreeMap, HashMap};

/// The keys of a network, in network order.
#[derive(Default)]
pub(crate) struct Spec {
    entries: Vec<(String, Vec<Dim>)>,
}

enum Dim {
    Fixed(usize),
    Width { times: usize, name: String },
}

impl Spec {
    /// Adds a key and its shape.
    pub fn tensor(&mut self, key: impl Into<String>, shape: &str) -> &mut Self {
        let dim = |token: &str| match (token.parse(), token.split_once('*')) {
            (Ok(n), _) => Dim::Fixed(n),
            (_, Some((times, name))) => Dim::Width { times: times.parse().unwrap_or(1), name: name.into() },
            _ => Dim::Width { times: 1, name: token.into() },
        };
        self.entries.push((key.into(), shape.split_whitespace().map(dim).collect()));
        self
    }

    /// Adds a layer's `weight` of `shape`, and its `bias` with the length of the weight's first axis.
    pub fn layer(&mut self, prefix: &str, shape: &str) -> &mut Self {
        let rows = shape.split_whitespace().next().unwrap_or_default().to_owned();
        self.tensor(format!("{prefix}.weight"), shape).tensor(format!("{prefix}.bias"), &rows)
    }

    /// Adds the five tensors of a batch normalization of `width` channels.
    pub fn batch_norm(&mut self, prefix: &str, width: &str) -> &mut Self {
        self.layer(prefix, width).batch_norm_stats(prefix, width)
    }

    /// Adds a batch normalization without gain and bias.
    pub fn batch_norm_stats(&mut self, prefix: &str, width: &str) -> &mut Self {
        self.tensor(format!("{prefix}.running_mean"), width)
            .tensor(format!("{prefix}.running_var"), width)
            .tensor(format!("{prefix}.num_batches_tracked"), "")
    }

    /// Checks that the file has every key with its shape.
    ///
    /// # Errors
    /// [`Error::Model`] naming the first key that is missing or has another shape, and the expected shape.
    pub fn check(&self, file: &Checkpoint) -> Result<()> {
        let widths = self.widths(file);
        let expected = |dims: &[Dim]| -> Vec<usize> {
            let value = |d: &Dim| match d {
                Dim::Fixed(n) => *n,
                Dim::Width { times, name } => times * widths.get(name.as_str()).copied().unwrap_or(0),
            };
            dims.iter().map(value).collect()
        };
        for (key, dims) in &self.entries {
            let (shape, name) = (expected(dims), file.full_key(key));
            match file.shape(key) {
                None => return Err(self.missing(file, &name, &shape)),
                Some(found) if found != shape => {
                    return Err(file.bad(format!("`{name}` has the shape {found:?}; expected {shape:?}")));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// The value of each width, by majority.
    fn widths(&self, file: &Checkpoint) -> HashMap<&str, usize> {
        let mut votes: HashMap<&str, BTreeMap<usize, usize>> = HashMap::new();
        for (key, dims) in &self.entries {
            let Some(shape) = file.shape(key).filter(|s| s.len() == dims.len()) else {
                continue;
            };
            for (dim, &size) in dims.iter().zip(shape) {
                if let Dim::Width { times: 1, name } = dim {
                    *votes.entry(name).or_default().entry(size).or_default() += 1;
                }
            }
        }
        let most = |counts: BTreeMap<usize, usize>| counts.into_iter().max_by_key(|&(_, n)| n);
        votes.into_iter().filter_map(|(name, counts)| Some((name, most(counts)?.0))).collect()
    }

    /// The error for a file without `name`. It points out a key of the same shape that does not belong to the
    /// network.
    fn missing(&self, file: &Checkpoint, name: &str, shape: &[usize]) -> Error {
        let known = |key: &str| self.entries.iter().any(|(k, _)| k == key);
        let parent = |key: &str| key.rsplit_once('.').map_or(String::new(), |(p, _)| p.to_owned());
        let stray = file.keys().filter(|k| !known(k)).filter(|k| file.shape(k) == Some(shape));
        // A key in the same layer is more likely.
        let stray = stray.min_by_key(|k| parent(&file.full_key(k)) != parent(name));
        let hint = match stray {
            Some(key) => {
                format!("; `{}` has that shape but is not part of this network: renamed?", file.full_key(key))
            }
            None => ": another kind of checkpoint, or an incomplete one".into(),
        };
        file.bad(format!("has no `{name}` of shape {shape:?}{hint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;

    #[test]
    fn a_width_is_what_most_tensors_say() {
        let mut spec = Spec::default();
        spec.layer("a", "w 3").layer("b", "v w").tensor("c", "2*w");
        let file = |wrong: &str| {
            let shapes: [(&str, &[usize]); 5] = [
                ("a.weight", &[4, 3]),
                ("a.bias", &[4]),
                ("b.weight", &[5, 4]),
                ("b.bias", &[5]),
                ("c", &[8]),
            ];
            let tensor = |(key, shape): (&str, &[usize])| {
                let mut shape = shape.to_vec();
                if key == wrong {
                    shape[0] += 1;
                }
                let size = shape.iter().product();
                (key.to_string(), Tensor::f32(&shape, vec![0.0; size]).unwrap())
            };
            Checkpoint::from_tensors("f.pt", shapes.map(tensor))
        };
        spec.check(&file("")).unwrap();
        for (wrong, expected) in [("a.weight", "[4, 3]"), ("a.bias", "[4]"), ("c", "[8]")] {
            let text = spec.check(&file(wrong)).unwrap_err().to_string();
            assert!(text.contains(&format!("`{wrong}`")) && text.contains(expected), "{text}");
        }
    }
}

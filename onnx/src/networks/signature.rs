//! Finds the prefix under which a checkpoint contains a network's keys.

use crate::checkpoint::Checkpoint;
use std::collections::BTreeMap;

/// The prefix under which at least half of `keys` occur. Of several copies, it prefers the averaged one.
pub(super) fn prefix(file: &Checkpoint, keys: &[&str]) -> Option<String> {
    let mut hits: BTreeMap<&str, usize> = BTreeMap::new();
    for key in file.keys() {
        for name in keys {
            let before = key.strip_suffix(name).filter(|p| p.is_empty() || p.ends_with('.'));
            if let Some(prefix) = before {
                *hits.entry(prefix).or_default() += 1;
            }
        }
    }
    // Prefer averaged weights to raw training weights, and MoCo's query encoder to its key encoder.
    let rank = |prefix: &str| usize::from(["ema", "encoder_q"].iter().any(|good| prefix.contains(good)));
    let best = hits.into_iter().filter(|(_, n)| 2 * n >= keys.len());
    best.max_by_key(|&(prefix, n)| (n, rank(prefix), std::cmp::Reverse(prefix.len())))
        .map(|(p, _)| p.to_owned())
}

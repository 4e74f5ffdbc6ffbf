//! Gradients of random graphs, as the fuzz target `gradient` builds them. `RANDOM_GRAPHS_SECONDS=900` runs for so long, with other
//! graphs than those of an ordinary run.

#[path = "../fuzz/fuzz_targets/gradient/check.rs"]
mod check;

use std::time::{Duration, Instant};

/// The number of graphs of an ordinary run.
const GRAPHS: u64 = 200;

/// The program of a random graph: up to 40 bytes.
fn program(seed: u64) -> Vec<u8> {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    let length = 4 + next() % 37;
    (0..length).map(|_| next()).collect()
}

#[test]
fn gradients_of_random_graphs_equal_differences() {
    let seconds = std::env::var("RANDOM_GRAPHS_SECONDS").ok().map(|text| text.parse().unwrap());
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (first, mut count, mut wrong) = (if end.is_some() { GRAPHS } else { 0 }, 0, vec![]);
    while end.map_or(count < GRAPHS, |end| Instant::now() < end) {
        let program = program(first + count);
        // The message of the panic, with the graph, has been printed.
        if std::panic::catch_unwind(|| check::check(&program)).is_err() {
            wrong.push(first + count);
        }
        count += 1;
    }
    println!("{count} graphs");
    assert!(wrong.is_empty(), "{} of {count} graphs are wrong: those of the seeds {wrong:?}", wrong.len());
}

//! Standard normal samples from a seed. A seed gives the same numbers on every machine.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// The random number generator of `seed`. Streams of a seed are independent of each other.
pub(crate) fn seeded(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// `len` samples of N(0, 1).
pub(crate) fn normal(rng: &mut ChaCha8Rng, len: usize) -> Vec<f32> {
    StandardNormal.sample_iter(rng).take(len).collect()
}

/// An endless sequence of latents z ~ N(0, 1), `[dim]` each.
pub(crate) fn latents(mut rng: ChaCha8Rng, dim: usize) -> impl Iterator<Item = Vec<f32>> {
    std::iter::repeat_with(move || normal(&mut rng, dim))
}

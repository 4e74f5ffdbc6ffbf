//! The fingerprint of an inversion: a hash of everything that its result depends on. The cache and `--resume` use it as the key.

use super::InvertOptions;
use crate::model::Model;
use crate::{Error, Result};
use ndarray::ArrayView4;
use sha2::{Digest, Sha256};

/// Version of the algorithms. A change that gives other results than before increases it.
const ALGORITHM: u32 = 1;

/// sha256, in hexadecimal, of all that an inversion depends on: the crop `[1,3,S,S]`, the model's networks and tuned weights, the
/// method, the settings, the seed, and the version of the algorithms.
///
/// # Errors
/// [`Error::Input`] if the settings cannot be serialized.
pub fn fingerprint(model: &Model, crop: ArrayView4<'_, f32>, options: &InvertOptions) -> Result<String> {
    let settings = serde_json::to_vec(&options.settings)
        .map_err(|e| Error::Input(format!("the settings cannot be serialized: {e}")))?;
    let mut hash = Sha256::new();
    hash.update(format!("{:?} {} ", crop.shape(), model.bundle.generator_sha256()));
    hash.update(format!("{ALGORITHM} {:?} ", model.bundle.manifest().inversion_inputs()));
    hash.update(options.method.name());
    hash.update(options.seed.to_le_bytes());
    hash.update(settings);
    for row in crop.rows() {
        let bytes: Vec<u8> = row.iter().flat_map(|v| v.to_le_bytes()).collect();
        hash.update(bytes);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

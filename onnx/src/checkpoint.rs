//! PyTorch checkpoints as named tensors: `.pt` and `.pth` files since PyTorch 0.4, and NVlabs' `.pkl`. No
//! code in them is executed.
//!
//! A file is a pickle (`pickle`) in one of three containers: a zip archive (`zip`), the format before PyTorch
//! 1.6 (`legacy`), or a bare pickle with every storage inline, as NVlabs writes it. Opening a file parses the
//! pickle, names its contents (`names`) and checks that every tensor is inside the file (`view`). Elements
//! are read when a tensor is first accessed, so that a file takes only the memory of the tensors in use.
//!
//! # Limits
//! Besides tensors, opening a file takes at most 256 MiB. A pickle has at most 2²¹ instructions and 32 MiB of
//! text, and nests at most 1,024 marks and 64 dicts. A file contains at most 65,536 tensors. All tensors
//! together have at most as many elements as the file has bytes, plus 2²⁴.

mod element;
mod names;
mod pickle;
mod source;
mod view;
mod zip;

pub use element::Element;
pub use names::{SINGLE, Setting};

use crate::{Error, Result, Tensor};
use names::Contents;
use pickle::{Budget, Location, Pickle, View, legacy};
use source::Source;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use view::Stored;

/// Elements that a file's tensors may have beyond its bytes, because views can repeat elements.
const MAX_REPEATED: u64 = 1 << 24;

/// The container of a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// The zip archive of PyTorch since 1.6.
    Zip,
    /// The stream of pickles and storages of PyTorch before 1.6.
    Legacy,
    /// A bare pickle with storages inline: NVlabs' `.pkl`.
    Pickle,
    /// Tensors in memory, not from a file.
    #[default]
    Memory,
}

/// The tensors of a checkpoint by dotted path, such as `g_ema.conv1.conv.weight` or
/// `G_ema.synthesis.b4.const`.
///
/// Clones share all data.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    prefix: String,
    file: Arc<File>,
}

#[derive(Debug, Default)]
struct File {
    name: String,
    format: Format,
    source: Option<Source>,
    tensors: BTreeMap<String, Entry>,
    settings: BTreeMap<String, Setting>,
    arrays: Vec<String>,
    /// Number of elements read so far.
    read: AtomicU64,
}

/// A tensor that is read on first access.
#[derive(Debug)]
struct Entry {
    stored: Option<Stored>,
    tensor: OnceLock<Tensor>,
}

impl Checkpoint {
    /// Opens a file written by `torch.save` (a tensor, a state dict, nested dicts of them, or a module), or a
    /// pickle of these, as NVlabs publishes (`G_ema.synthesis.b4.const`, `G_ema.mapping.w_avg`).
    ///
    /// Floating-point tensors are read as f32, integers and booleans as i64. If the file is a single tensor,
    /// its name is [`SINGLE`].
    ///
    /// # Errors
    /// [`Error::Model`] if the file is not a checkpoint, is truncated, or names a class or function that
    /// could run code; [`Error::Limits`] if it exceeds the limits above; [`Error::Unsupported`] for kinds of
    /// tensors or files that are not supported; [`Error::Io`] if it cannot be read.
    pub fn read(path: &Path) -> Result<Checkpoint> {
        Checkpoint::open(Source::open(path)?)
    }

    /// As [`Checkpoint::read`], from bytes in memory. `name` is for messages.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Checkpoint> {
        Checkpoint::open(Source::memory(name, bytes))
    }

    fn open(source: Source) -> Result<Checkpoint> {
        let (format, pickle) = parse(&source)?;
        let Contents { views, settings, arrays } = names::contents(&source, &pickle)?;
        let tensor = |(name, view): (String, View)| {
            let stored = Some(Stored::new(&source, &name, &view, &pickle)?);
            Ok((name, Entry { stored, tensor: OnceLock::new() }))
        };
        let tensors = views.into_iter().map(tensor).collect::<Result<_>>()?;
        let (name, read) = (source.name.clone(), AtomicU64::new(0));
        let file = File { name, format, source: Some(source), tensors, settings, arrays, read };
        Ok(Checkpoint { prefix: String::new(), file: Arc::new(file) })
    }

    /// Creates a checkpoint from tensors in memory. `name` is for messages.
    pub fn from_tensors(name: &str, tensors: impl IntoIterator<Item = (String, Tensor)>) -> Checkpoint {
        let entry = |(key, tensor): (String, Tensor)| (key, Entry { stored: None, tensor: tensor.into() });
        let tensors = tensors.into_iter().map(entry).collect();
        let file = File { name: name.into(), tensors, ..File::default() };
        Checkpoint { prefix: String::new(), file: Arc::new(file) }
    }

    /// Restricts lookups to keys under `prefix`, such as `g_ema.`. If no key has this prefix, the scope is
    /// unchanged.
    pub fn scoped(mut self, prefix: &str) -> Checkpoint {
        if self.file.tensors.keys().any(|k| k.starts_with(prefix)) {
            self.prefix = prefix.into();
        }
        self
    }

    /// The file's name, for messages.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// The container of the file.
    pub fn format(&self) -> Format {
        self.file.format
    }

    /// The keys in scope, without the prefix, in alphabetical order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.file.tensors.keys().filter_map(|k| k.strip_prefix(&self.prefix))
    }

    /// Shape of the tensor `key` in scope, without reading it; `None` if there is none.
    pub fn shape(&self, key: &str) -> Option<&[usize]> {
        self.entry(key).map(Entry::shape)
    }

    /// Element type of the tensor in the file; `None` if there is no such tensor, or it is not from a file.
    pub fn element(&self, key: &str) -> Option<Element> {
        self.entry(key).and_then(|e| e.stored.as_ref()).map(|s| s.element)
    }

    /// The contents that are not tensors, by dotted path: options such as `opts.stylegan_size`, and
    /// attributes of pickled modules such as `G_ema.synthesis.b4.conv1.conv_clamp`. The scope does not apply.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.file.settings.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// Dotted paths of NumPy arrays, which are not read.
    pub fn arrays(&self) -> &[String] {
        &self.file.arrays
    }

    /// The setting with the full path `key`.
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        self.file.settings.get(key)
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        // Without a prefix, the lookup needs no allocation.
        match self.prefix.is_empty() {
            true => self.file.tensors.get(key),
            false => self.file.tensors.get(&format!("{}{key}", self.prefix)),
        }
    }

    /// The tensor `key` in scope.
    ///
    /// # Errors
    /// [`Error::Model`] naming the key if it is missing; [`Error::Io`] or [`Error::Limits`] if it cannot be
    /// read.
    pub fn get(&self, key: &str) -> Result<&Tensor> {
        let entry = self.entry(key).ok_or_else(|| {
            self.bad(format!(
                "has no `{}{key}`: another kind of checkpoint, or an incomplete one",
                self.prefix
            ))
        })?;
        self.file.tensor(entry)
    }

    /// The tensor `key` in scope as f32 values; its shape must be `shape`.
    ///
    /// # Errors
    /// [`Error::Model`] naming the key and both shapes.
    pub fn values(&self, key: &str, shape: &[usize]) -> Result<&[f32]> {
        if let Some(found) = self.shape(key).filter(|found| *found != shape) {
            return Err(self.bad(format!("`{key}` has the shape {found:?}; expected {shape:?}")));
        }
        let tensor = self.get(key)?;
        tensor.as_f32().ok_or_else(|| self.bad(format!("`{key}` does not hold floating-point numbers")))
    }

    /// The full path of `key`, including the prefix.
    pub(crate) fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// One more than the largest number that follows `stem` in the keys: for `body.`, `body.0.…` …
    /// `body.23.…` give 24.
    pub(crate) fn count(&self, stem: &str) -> usize {
        let number = |key: &str| key.strip_prefix(stem)?.split('.').next()?.parse::<usize>().ok();
        // A key may contain any number; no network has this many parts.
        self.keys().filter_map(number).filter(|&n| n < 1000).max().map_or(0, |n| n + 1)
    }

    /// A tensor by its full path, such as `latent_avg` beside `g_ema`. The scope does not apply.
    pub fn unscoped(&self, key: &str) -> Option<&Tensor> {
        self.file.tensors.get(key).and_then(|entry| self.file.tensor(entry).ok())
    }

    pub(crate) fn bad(&self, reason: String) -> Error {
        Error::Model(format!("{}: {reason}", self.file.name))
    }
}

impl Entry {
    fn shape(&self) -> &[usize] {
        match (&self.stored, self.tensor.get()) {
            (Some(stored), _) => &stored.shape,
            (None, Some(tensor)) => tensor.shape(),
            (None, None) => &[],
        }
    }
}

impl File {
    fn tensor<'f>(&'f self, entry: &'f Entry) -> Result<&'f Tensor> {
        if let Some(tensor) = entry.tensor.get() {
            return Ok(tensor);
        }
        let (Some(source), Some(stored)) = (&self.source, &entry.stored) else {
            return Err(Error::Model(format!("{}: a tensor has no data", self.name)));
        };
        let limit = source.len + MAX_REPEATED;
        if self.read.fetch_add(stored.cost(), Ordering::Relaxed) + stored.cost() > limit {
            return Err(source.limit(format!(
                "its tensors have more than {limit} elements, too many for a checkpoint of {} bytes",
                source.len
            )));
        }
        let tensor = stored.read(source)?;
        Ok(entry.tensor.get_or_init(|| tensor))
    }
}

/// Detects the container by its first bytes.
fn parse(source: &Source) -> Result<(Format, Pickle)> {
    let mut start = [0; legacy::MAGIC.len()];
    let known = source.len.min(start.len() as u64) as usize;
    source.read_at(0, &mut start[..known])?;
    match start {
        _ if start.starts_with(b"PK") => Ok((Format::Zip, zip::read(source)?)),
        legacy::MAGIC => Ok((Format::Legacy, legacy::read(source)?)),
        // A pickle of protocol 2 or later. Older protocols are parsed only to name the functions that they
        // would call.
        [0x80 | b'(' | b'c' | b'}' | b']' | b'd' | b'l', ..] => {
            let pickle = pickle::read(source, 0, source.len, &mut Budget::new())?;
            if pickle.storages.iter().any(|s| matches!(s.place, Location::Key(_))) {
                return Err(source.bad("damaged: its tensors refer to storages that it does not contain"));
            }
            Ok((Format::Pickle, pickle))
        }
        _ => Err(source.bad("neither a PyTorch checkpoint nor a pickle, or damaged; get the file again")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_misshaped_is_named() {
        let weight = Tensor::f32(&[2], vec![1.0, 2.0]).unwrap();
        let c = Checkpoint::from_tensors("a.pt", [("g_ema.w".to_string(), weight)]);
        assert_eq!(c.clone().scoped("g_ema.").values("w", &[2]).unwrap(), [1.0, 2.0]);
        let text = c.clone().scoped("g_ema.").get("b").unwrap_err().to_string();
        assert!(text.contains("a.pt") && text.contains("g_ema.b"), "{text}");
        let text = c.scoped("g_ema.").values("w", &[3]).unwrap_err().to_string();
        assert!(text.contains("`w`") && text.contains("[2]") && text.contains("[3]"), "{text}");
    }

    #[test]
    fn files_that_are_no_checkpoints_are_refused() {
        assert!(matches!(Checkpoint::read(Path::new("/nowhere.pt")), Err(Error::Io { .. })));
        let here = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        assert!(matches!(Checkpoint::read(here), Err(Error::Model(_))));
    }
}

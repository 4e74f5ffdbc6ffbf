//! The photos that a command processes: files, folders, and shards of many photos.

use crate::context::path_text;
use gani_core::photo::{EXTENSIONS, is_foreign};
use gani_core::{Error, Result};
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The images in a folder, sorted by name, without hidden files and without results of `gani invert`.
pub fn in_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("reading the folder", folder))?;
    let (images, others): (Vec<_>, Vec<_>) =
        entries.flatten().map(|e| e.path()).partition(|path| is_image(path));
    let (mut all, skipped): (Vec<_>, Vec<_>) =
        images.into_iter().partition(|p| !is_hidden(p) && !is_result(p));
    all.sort();
    let mut foreign: Vec<_> = others.iter().filter(|p| is_foreign(p) && !is_hidden(p)).collect();
    foreign.sort();
    if let Some(first) = foreign.first() {
        log::warn!(
            "{}: {} pictures in formats that gani does not read are skipped, such as {}; name one of them to see how to convert it",
            folder.display(),
            foreign.len(),
            first.file_name().unwrap_or_default().display()
        );
    }
    for path in skipped {
        log::info!("{}: hidden, or a result of gani; skipped", path.display());
    }
    if all.is_empty() {
        let extensions = EXTENSIONS.join(", ");
        return Err(Error::Input(format!(
            "{}: the folder contains no image ({extensions})",
            folder.display()
        )));
    }
    Ok(all)
}

/// Whether the file has the extension of an image.
pub fn is_image(path: &Path) -> bool {
    path.extension().is_some_and(|e| EXTENSIONS.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

/// A photo that failed, in the output of `--json`.
#[derive(Serialize)]
pub struct FailedPhoto {
    #[serde(serialize_with = "path_text")]
    pub photo: PathBuf,
    pub error: String,
}

/// Hidden files, such as the `._NAME.jpg` that macOS leaves on foreign disks.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Whether `gani invert` wrote the image: its inversion lies beside it. A photo is never a `.png` of the same name as an inversion.
fn is_result(path: &Path) -> bool {
    let stem = stem(path);
    let names = ["", "-sheet", "-loss"].iter().filter_map(|end| stem.strip_suffix(end));
    path.extension().is_some_and(|e| e == "png")
        && names.into_iter().any(|name| path.with_file_name(format!("{name}.safetensors")).is_file())
}

/// The file name without its extension, for the names of results.
pub fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The photos whose [`stem`] an earlier one has, so that their results would be the same files.
pub fn repeated_stems(photos: &[PathBuf]) -> HashSet<PathBuf> {
    let mut seen = HashSet::new();
    photos.iter().filter(|photo| !seen.insert(stem(photo))).cloned().collect()
}

/// Replaces folders by the images in them.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            all.extend(in_folder(path)?);
        } else {
            all.push(path.clone());
        }
    }
    Ok(all)
}

/// `I/N`: the photos of machine I, counted from 1, if N machines share the work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// Every N-th item, starting with the I-th. Each item is in exactly one shard.
    pub fn select<T>(self, all: Vec<T>) -> Vec<T> {
        all.into_iter().skip(self.index - 1).step_by(self.count).collect()
    }
}

impl std::str::FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Shard> {
        let parts = text.split_once('/').map(|(i, n)| (i.trim().parse(), n.trim().parse()));
        match parts {
            Some((Ok(index), Ok(count))) if (1..=count).contains(&index) => Ok(Shard { index, count }),
            _ => Err(Error::Input(format!(
                "`{text}` is not a shard; write I/N with I from 1 to N, for example 1/4"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_in_one_shard() {
        let shards =
            (1..=3).map(|i| format!("{i}/3").parse::<Shard>().unwrap().select((0..8).collect::<Vec<_>>()));
        assert_eq!(shards.collect::<Vec<_>>(), [vec![0, 3, 6], vec![1, 4, 7], vec![2, 5]]);
        assert!("4/4".parse::<Shard>().unwrap().select(vec![0, 1]).is_empty());
        for bad in ["", "1", "0/3", "4/3", "1/0", "-1/3", "a/b"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}

//! Which photographs a command works on: files, folders of them, and a machine's share of many.

use gani_core::{Error, Result};
use std::path::{Path, PathBuf};

/// Ends of picture files that are taken from a folder.
const ENDINGS: [&str; 7] = ["png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp"];

/// The pictures in a folder, by name.
pub fn in_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("reading the folder", folder))?;
    let is_picture = |path: &PathBuf| {
        path.extension().is_some_and(|e| ENDINGS.iter().any(|end| e.eq_ignore_ascii_case(end)))
    };
    let mut all: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(is_picture).collect();
    all.sort();
    if all.is_empty() {
        let endings = ENDINGS.join(", ");
        return Err(Error::Input(format!("{}: no picture ({endings}) is there", folder.display())));
    }
    Ok(all)
}

/// Files as they are, folders as the pictures in them.
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

/// `I/N`: the I-th, from 1, of N machines that share the photographs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// Every N-th, from the I-th on: each photograph is in one shard.
    pub fn of<T>(self, all: Vec<T>) -> Vec<T> {
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
                "`{text}` is no share; write I/N with I from 1 to N, for example 1/4"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_hold_everything_once() {
        let shards =
            (1..=3).map(|i| format!("{i}/3").parse::<Shard>().unwrap().of((0..8).collect::<Vec<_>>()));
        assert_eq!(shards.collect::<Vec<_>>(), [vec![0, 3, 6], vec![1, 4, 7], vec![2, 5]]);
        assert!("4/4".parse::<Shard>().unwrap().of(vec![0, 1]).is_empty());
        for bad in ["", "1", "0/3", "4/3", "1/0", "-1/3", "a/b"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}

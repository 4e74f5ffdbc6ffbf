//! Reads the directions of a bundle, or a plain `.npz` of named arrays.

use super::{Direction, DirectionInfo, Directions, Gain};
use crate::util::npy::Npz;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// What the file of a bundle contains besides `dir_`, `std_` and `gain_`.
const OTHERS: [&str; 4] = ["info", "pca_components", "pca_std", "w_mean"];

/// The directions, and whether the file is a plain one, without σ.
pub(super) fn read(path: &Path) -> Result<(Directions, bool)> {
    let in_file = |e: Error| match e {
        Error::Input(text) if !text.starts_with(&*path.to_string_lossy()) => {
            Error::Model(format!("{}: {text}; restore the file", path.display()))
        }
        Error::Input(text) => Error::Model(text),
        other => other,
    };
    let mut npz = Npz::open(path).map_err(in_file)?;
    let known = |n: &String| n.starts_with("dir_") || OTHERS.contains(&n.as_str());
    let is_plain = !npz.names().iter().any(known);
    let all = if is_plain { plain(&mut npz) } else { of_bundle(&mut npz) };
    Ok((all.map_err(in_file)?, is_plain))
}

/// Each array is a direction `[512]`, `[1, 512]` or `[n, 512]`.
fn plain(npz: &mut Npz) -> Result<Directions> {
    let mut all = Directions::default();
    for name in npz.names().to_vec() {
        let rows = npz.array(&name)?.rows(&name)?;
        all.named.push(Direction::from_rows(name, rows.view(), 1.0)?);
    }
    if all.named.is_empty() {
        return Err(Error::Input("it has no arrays".into()));
    }
    Ok(all)
}

fn of_bundle(npz: &mut Npz) -> Result<Directions> {
    let names = npz.names().to_vec();
    let mut info = info(npz)?;
    let mut all = Directions::default();
    for name in names.iter().filter_map(|n| n.strip_prefix("dir_")) {
        let direction = direction(npz, name)?;
        all.named.push(Direction { info: info.remove(name).unwrap_or_default(), ..direction });
    }
    for name in names.iter().filter(|n| !OTHERS.contains(&n.as_str())) {
        let of = ["dir_", "std_", "gain_"].into_iter().find_map(|prefix| name.strip_prefix(prefix));
        if !of.is_some_and(|of| all.named.iter().any(|d| d.name == of)) {
            return Err(Error::Input(format!(
                "the array `{}` is not understood; name directions dir_NAME, with std_NAME",
                name.escape_debug()
            )));
        }
    }
    if npz.contains("pca_components") {
        let components = npz.array("pca_components")?.finite("pca_components")?.rows("pca_components")?;
        let std = npz.array("pca_std")?.finite("pca_std")?.vector("pca_std")?;
        if std.len() != components.nrows() {
            return Err(Error::Input("pca_std: its length differs from the number of components".into()));
        }
        let rows = components.rows().into_iter().zip(&std).enumerate();
        all.pca = rows
            .map(|(k, (unit, &sigma))| Direction::new(format!("pca.{k}"), unit.to_vec(), sigma))
            .collect();
    }
    Ok(all)
}

fn info(npz: &mut Npz) -> Result<BTreeMap<String, DirectionInfo>> {
    if !npz.contains("info") {
        return Ok(BTreeMap::new());
    }
    let text = npz.array("info")?;
    if text.element != "u1" {
        return Err(Error::Input(format!(
            "info: its elements are {}, not the bytes of a text",
            text.element
        )));
    }
    let text: Vec<u8> = text.values.iter().map(|&byte| byte as u8).collect();
    let info: BTreeMap<String, DirectionInfo> =
        serde_json::from_slice(&text).map_err(|e| Error::Input(format!("info: {e}")))?;
    info.iter().try_for_each(|(name, info)| info.check(name))?;
    Ok(info)
}

/// `dir_NAME` as it is stored, `std_NAME`, and `gain_NAME` if there is one.
fn direction(npz: &mut Npz, name: &str) -> Result<Direction> {
    let rows = npz.array(&format!("dir_{name}"))?.finite(name)?.rows(name)?;
    let sigma = npz.array(&format!("std_{name}"))?.finite(name)?;
    let (1, Some(&sigma)) = (sigma.values.len(), sigma.values.first()) else {
        return Err(Error::Input(format!("std_{}: not a single number", name.escape_debug())));
    };
    let layers = rows.nrows();
    let mut direction = Direction { layers, ..Direction::new(name, rows.into_iter().collect(), sigma) };
    let gain = format!("gain_{name}");
    if npz.contains(&gain) {
        let values = npz.array(&gain)?.finite(&gain)?.vector(&gain)?.to_vec();
        let (bias, slope) = values
            .split_last()
            .filter(|(_, slope)| slope.len() == direction.dims())
            .ok_or_else(|| Error::Input(format!("{gain}: it needs one more element than the direction")))?;
        direction.gain = Some(Gain { slope: slope.to_vec(), bias: *bias });
    }
    Ok(direction)
}

//! `cargo xtask release`: builds all packages into `out/dist`, with the file `SHA256SUMS`.

use crate::dist::{self, OUT};
use crate::{deb, steps, wheel};
use std::fs;
use std::process::Command;

/// Removes `out/dist`, builds the packages and writes their hashes. `docs/releasing.md` has the other steps of a release.
pub fn run() -> Result<(), String> {
    let out = steps::root().join(OUT);
    if out.exists() {
        fs::remove_dir_all(&out).map_err(|e| format!("cannot replace {}: {e}", out.display()))?;
    }
    dist::run(None)?;
    wheel::run()?;
    deb::run()?;
    let entries = fs::read_dir(&out).map_err(|e| format!("cannot read {}: {e}", out.display()))?;
    let files = entries.flatten().filter(|entry| entry.path().is_file());
    let mut names: Vec<_> =
        files.map(|entry| format!("{OUT}/{}", entry.file_name().to_string_lossy())).collect();
    names.sort();
    let sums = steps::read(Command::new("sha256sum").args(&names))?.replace(&format!("{OUT}/"), "");
    let file = out.join("SHA256SUMS");
    fs::write(&file, &sums).map_err(|e| format!("cannot write {}: {e}", file.display()))?;
    println!("{sums}wrote {OUT}/SHA256SUMS");
    Ok(())
}

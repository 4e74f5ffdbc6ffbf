//! The licenses of the Rust crates inside the packages: checked against a list, and written as one text file.

use crate::steps;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Licenses under which a package with the crate's code may be distributed, with its text.
const ACCEPTED: [&str; 10] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unicode-3.0",
    // Its source must be available, as it is from the registry.
    "MPL-2.0",
    "Unlicense",
];

/// Writes name, version, license and license texts of all crates that the programs, libgani and the Python module link.
///
/// # Errors
/// A crate has a license that is not accepted.
pub fn write(to: &Path) -> Result<(), String> {
    let packages = ["gani", "gani-ffi", "gani-gimp", "gani-python"].map(|name| ["--package", name]).concat();
    let tree = ["tree", "--edges", "normal", "--prefix", "none", "--no-dedupe", "--format", "{p}|{l}"];
    let linked = steps::read(Command::new("cargo").args(tree).args(packages))?;
    // `name v1.2.3 (proc-macro)|MIT`, in order and once
    let linked: BTreeSet<(String, String)> = linked
        .lines()
        .filter(|line| !line.contains("(proc-macro)"))
        .filter_map(|line| line.split_once('|'))
        .map(|(package, license)| {
            let name: Vec<&str> = package.split_whitespace().take(2).collect();
            (name.join(" "), license.to_string())
        })
        .collect();
    let metadata = steps::read(Command::new("cargo").args(["metadata", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|e| format!("cargo metadata: {e}"))?;
    let mut text = "The Rust crates in gani, with their licenses.\n".to_string();
    for (name, license) in linked {
        if !is_accepted(&license) {
            return Err(format!(
                "{name} has the license `{license}`, which is not accepted\n  fix: another crate, or xtask/src/licenses.rs"
            ));
        }
        let _ = write!(text, "\n{0}\n{name}: {license}\n", "=".repeat(80)); // a string cannot fail
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let manifest = packages
            .filter(|p| format!("{} v{}", text_of(&p["name"]), text_of(&p["version"])) == name)
            .find_map(|p| p["manifest_path"].as_str());
        for file in license_files(Path::new(manifest.unwrap_or_default())) {
            let content =
                fs::read_to_string(&file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
            let _ = write!(text, "\n{content}");
        }
    }
    fs::write(to, text).map_err(|e| format!("cannot write {}: {e}", to.display()))
}

/// Whether an SPDX expression allows a choice of accepted licenses. `/` is an old way to write OR.
fn is_accepted(expression: &str) -> bool {
    let expression = expression.replace(['(', ')'], "").replace('/', " OR ");
    let one = |license: &str| ACCEPTED.contains(&license.trim());
    expression.split(" AND ").all(|part| part.split(" OR ").any(one))
}

fn license_files(manifest: &Path) -> Vec<std::path::PathBuf> {
    let folder = manifest.parent().and_then(|folder| fs::read_dir(folder).ok());
    let is_license = |name: &str| {
        ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"]
            .iter()
            .any(|start| name.to_uppercase().starts_with(start))
    };
    let mut files: Vec<_> = folder
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| is_license(&entry.file_name().to_string_lossy()) && entry.path().is_file())
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::is_accepted;

    #[test]
    fn expressions() {
        for good in ["MIT", "GPL-3.0 OR MIT", "BSD-3-Clause/MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
            assert!(is_accepted(good), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "LGPL-2.1 OR SSPL-1.0"] {
            assert!(!is_accepted(bad), "{bad}");
        }
    }
}

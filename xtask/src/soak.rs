//! `cargo xtask soak`: many inversions and edits in one process, through the C ABI and on the command line. Memory, open files and
//! handles must not grow.

use crate::{memory, steps};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Growth of the command line's memory that counts as flat, in percent of the second quarter's peak.
const FLAT: u64 = 3;

/// Runs both parts with this number of inversions in each.
pub fn run(rounds: u32) -> Result<(), String> {
    steps::install_onnx_runtime()?;
    steps::need_programs(&[("cc", "gcc")])?;
    let work = steps::target().join("soak");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).map_err(|e| format!("cannot create {}: {e}", work.display()))?;
    let program = memory::compile("soak", &work)?;
    let photo = steps::root().join("tests/data/astronaut.png");
    steps::run(Command::new(&program).args([&photo, &work]).arg(rounds.to_string()))?;
    command_line(&work, &photo, rounds)
}

/// Inverts a folder of copies of the photo in one process.
fn command_line(work: &Path, photo: &Path, rounds: u32) -> Result<(), String> {
    let (photos, results) = (work.join("photos"), work.join("results"));
    fs::create_dir_all(&photos).map_err(|e| format!("cannot create {}: {e}", photos.display()))?;
    for k in 0..rounds {
        let copy = photos.join(format!("{k:05}.png"));
        fs::hard_link(photo, &copy)
            .or_else(|_| fs::copy(photo, &copy).map(drop))
            .map_err(|e| format!("cannot write {}: {e}", copy.display()))?;
    }
    steps::cargo(&["build", "--package", "gani", "--bin", "gani"], &[])?;
    let mut gani = Command::new(steps::target().join("debug/gani"));
    gani.args(["--quiet", "--model", "ffhq-64", "--device", "cpu", "--threads", "1", "invert"]);
    gani.args(["--iterations", "2", "--refine", "2", "-o"]).args([&results, &photos]);
    println!("> gani invert of {rounds} photos");
    let mut child = gani.stdout(Stdio::null()).spawn().map_err(|e| format!("cannot run gani: {e}"))?;
    let mut samples = Vec::new();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|e| format!("cannot wait for gani: {e}"))? {
            break status;
        }
        samples.extend(sample(child.id()));
        thread::sleep(Duration::from_millis(100));
    };
    if !status.success() {
        return Err(format!("gani invert: {status}"));
    }
    let quarter = samples.len() / 4;
    let largest = |part: &[Sample]| {
        let of = |value: fn(&Sample) -> u64| part.iter().map(value).max().unwrap_or(0);
        (of(|s| s.kilobytes), of(|s| s.files))
    };
    let (before, after) = (largest(&samples[quarter..2 * quarter]), largest(&samples[3 * quarter..]));
    println!(
        "{rounds} inversions: peak memory {} to {} KB, {} to {} open files",
        before.0, after.0, before.1, after.1
    );
    if quarter == 0 || after.0 > before.0 + before.0 * FLAT / 100 || after.1 > before.1 {
        return Err("gani invert: memory or open files grow".into());
    }
    Ok(())
}

/// What a process uses.
struct Sample {
    kilobytes: u64,
    files: u64,
}

fn sample(process: u32) -> Option<Sample> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(Sample { kilobytes, files: fs::read_dir(format!("/proc/{process}/fd")).ok()?.count() as u64 })
}

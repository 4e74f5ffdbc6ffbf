//! Full disks and read-only folders: `out` is a file system of its own, in a namespace of mounts that ends with the command.

use super::scenarios::Line;
use super::world::{Entry, Finished, Tree, difference, failed, stray};
use super::{Tally, Trial};
use crate::steps;
use std::fs;
use std::process::{Command, Stdio};

/// Sizes of the disk, as fractions of what the command needs beside the files that are there.
const SIZES: [f64; 5] = [0.02, 0.25, 0.5, 0.75, 0.95];

/// Runs the command with `out` too small and read-only, if this system allows mounts.
pub fn run(trial: &Trial) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let needed = bytes(&trial.after).saturating_sub(bytes(&trial.before));
    // Scenarios that write to the home folder, or nothing new.
    if needed == 0 {
        return Ok(tally);
    }
    let Some(unshare) = unshare() else {
        println!("{:24} full disks are not tested: unshare --mount is not allowed here", trial.scenario.name);
        return Ok(tally);
    };
    for fraction in SIZES {
        let size = bytes(&trial.before) + (needed as f64 * fraction) as usize;
        let mount = format!("mount -t tmpfs -o size={} none out", size.max(4096).next_multiple_of(4096));
        tally.disks += 1;
        let problem = trial_on(trial, &unshare, &mount, "mount -o remount,size=2g out", "No space left")?;
        tally.failures.extend(problem.map(|p| format!("a disk of {fraction} of the needed size: {p}")));
    }
    tally.disks += 1;
    let mount = "mount -t tmpfs -o size=2g none out";
    let problem = trial_on(trial, &unshare, mount, "mount -o remount,rw out", "Read-only file system")?;
    tally.failures.extend(problem.map(|p| format!("a read-only folder: {p}")));
    Ok(tally)
}

/// `unshare` with its options, if it works here.
fn unshare() -> Option<Vec<String>> {
    let options: &[&str] =
        if steps::is_root() { &["--mount"] } else { &["--user", "--map-root-user", "--mount"] };
    let mut test = Command::new("unshare");
    test.args(options).args(["mount", "-t", "tmpfs", "none", "/mnt"]);
    let works = test.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    works.then(|| [&["unshare"][..], options].concat().iter().map(|word| (*word).to_owned()).collect())
}

/// Runs the command on the file system that `mount` creates, then the next commands after `repair`.
fn trial_on(
    trial: &Trial,
    unshare: &[String],
    mount: &str,
    repair: &str,
    reason: &str,
) -> Result<Option<String>, String> {
    let world = &trial.world;
    world.reset(&trial.before)?;
    let protect = if reason.starts_with("Read") { "mount -o remount,ro out" } else { ":" };
    let next: Vec<String> = trial.scenario.next.iter().map(|line| shell(&world.words(line))).collect();
    let script = format!(
        "set -e\ncp -a out ../old\n{mount}\ncp -a ../old/. out/\nrm -rf ../old\n{protect}\nset +e\n{} 2>../first.txt\n\
         echo $? >../code.txt\nset -e\ncp -a out ../left\n{repair}\n{}\ncp -a out ../new\n",
        shell(&world.words(&trial.scenario.command)),
        next.join("\n"),
    );
    for name in ["old", "left", "new"] {
        let _ = fs::remove_dir_all(world.base.join(name));
    }
    let path = world.base.join("script.sh");
    fs::write(&path, script).map_err(failed("write", &path))?;
    let Finished { code, stderr } = world.run_script(&[unshare, &["sh".into()]].concat(), &path)?;
    let read = |name: &str| fs::read_to_string(world.base.join(name)).unwrap_or_default();
    let (first, first_code) = (read("first.txt"), read("code.txt"));
    if first_code.trim() != "1" || !first.contains(reason) {
        return Ok(Some(format!("the command ended with {}: {first}", first_code.trim())));
    }
    let out = |tree: &Tree| -> Tree {
        tree.iter().filter(|(name, _)| name.starts_with("out")).map(|(n, e)| (n.clone(), e.clone())).collect()
    };
    let [left, new] = ["left", "new"].map(|name| world.tree_of(&world.base.join(name), "out"));
    if let Some(problem) = stray(&left?, [&trial.before, &trial.after], trial.scenario.has_times) {
        return Ok(Some(format!("after the error: {problem}")));
    }
    if code != Some(0) {
        return Ok(Some(format!("the next command failed: {stderr}")));
    }
    Ok(difference(&out(&trial.after), &new?, trial.scenario.has_times))
}

/// Bytes of the files in `out`, in blocks.
fn bytes(tree: &Tree) -> usize {
    let size = |(name, entry): (&String, &Entry)| match entry {
        Entry::File(bytes) if name.starts_with("out/") => bytes.len().next_multiple_of(4096),
        _ => 0,
    };
    tree.iter().map(size).sum()
}

/// A line for the shell.
fn shell(words: &Line) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
    quoted.join(" ")
}

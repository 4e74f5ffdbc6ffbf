//! Kills at system calls and at random moments, and calls that fail.

use super::random::Random;
use super::world::{Finished, failed};
use super::{Tally, Trial};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// The calls that change files and folders. gani makes them on its main thread, which is the only one that strace follows.
const CALLS: [&str; 18] = [
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "mkdirat",
    "fsync",
    "fdatasync",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "chmod",
    "fchmod",
    "ftruncate",
    "write",
];
/// Those that a full disk makes fail.
const NEED_SPACE: [&str; 8] =
    ["rename", "renameat", "renameat2", "mkdir", "mkdirat", "fsync", "linkat", "write"];
/// Of the same call in a row, such as the writes of one large file, at most this many are tried, evenly spread.
const IN_A_ROW: usize = 12;

/// The `index`-th call of a kind, counted from 1, as strace showed it.
struct Point {
    call: String,
    index: usize,
    text: String,
}

/// Kills the command at every call; with `renames_only`, at the renames.
pub fn at_calls(trial: &Trial, renames_only: bool) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for point in points(trial, &CALLS)?.iter().filter(|p| !renames_only || p.call.starts_with("rename")) {
        let finished = inject(trial, point, "signal=KILL", "")?;
        tally.kills += 1;
        let problem = match finished.code {
            None => trial.check()?,
            Some(code) => Some(format!("the command was not killed, and ended with {code}")),
        };
        tally.failures.extend(problem.map(|problem| format!("killed at {}: {problem}", point.text)));
    }
    Ok(tally)
}

/// Lets each call and all later ones of its kind fail as on a full disk. The command must end with an error or succeed.
pub fn failing_calls(trial: &Trial) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for point in points(trial, &NEED_SPACE)? {
        let finished = inject(trial, &point, "error=ENOSPC", "+")?;
        tally.failing += 1;
        let problem = match finished.code {
            Some(0 | 1) => trial.check()?,
            code => Some(format!("the command ended with {code:?}: {}", finished.stderr)),
        };
        tally.failures.extend(problem.map(|problem| format!("no space at {}: {problem}", point.text)));
    }
    Ok(tally)
}

/// Kills the command at random moments of its run.
pub fn at_random(trial: &Trial, kills: usize, random: &mut Random) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for _ in 0..kills {
        let after = trial.seconds * random.next();
        trial.world.reset(&trial.before)?;
        trial.world.kill_after(&trial.scenario.command, Duration::from_secs_f64(after))?;
        tally.random += 1;
        let problem = trial.check()?;
        tally.failures.extend(problem.map(|problem| format!("killed after {after:.3} s: {problem}")));
    }
    Ok(tally)
}

/// The calls of an undisturbed run.
fn points(trial: &Trial, calls: &[&str]) -> Result<Vec<Point>, String> {
    let log = trial.world.base.join("strace.txt");
    let mut wrapper = vec!["strace".into(), "-qq".into(), "-o".into(), log.display().to_string()];
    wrapper.extend(["-e".into(), format!("trace={}", calls.join(","))]);
    wrapper.extend(unsupported(trial));
    trial.world.reset(&trial.before)?;
    let finished = trial.world.run(&wrapper, &trial.scenario.command)?;
    if finished.code != Some(0) {
        return Err(format!("strace ended with {:?}: {}", finished.code, finished.stderr));
    }
    let text = String::from_utf8_lossy(&fs::read(&log).map_err(failed("read", &log))?).into_owned();
    Ok(thinned(parse(&text)))
}

fn parse(log: &str) -> Vec<Point> {
    let mut counts = BTreeMap::<&str, usize>::new();
    let mut points = Vec::new();
    for line in log.lines() {
        let Some((call, _)) = line.split_once('(') else { continue };
        if !CALLS.contains(&call) {
            continue;
        }
        let count = counts.entry(call).or_default();
        *count += 1;
        // Not messages and progress.
        if !line.starts_with("write(1,") && !line.starts_with("write(2,") {
            points.push(Point { call: call.into(), index: *count, text: line.chars().take(160).collect() });
        }
    }
    points
}

/// Without most of the same calls in a row.
fn thinned(points: Vec<Point>) -> Vec<Point> {
    let rows = points.chunk_by(|a, b| a.call == b.call).map(<[Point]>::len).collect::<Vec<_>>();
    let mut keep = Vec::new();
    for row in rows {
        let step = row.div_ceil(IN_A_ROW);
        keep.extend((0..row).map(|i| i % step == 0));
    }
    points.into_iter().zip(keep).filter_map(|(point, keep)| keep.then_some(point)).collect()
}

/// Runs the command from the state before it, with an action at a call; `more` is `+` for this and all later calls.
fn inject(trial: &Trial, point: &Point, action: &str, more: &str) -> Result<Finished, String> {
    let Point { call, index, .. } = point;
    let mut wrapper = ["strace", "-qq", "-o", "/dev/null", "-e"].map(str::to_owned).to_vec();
    wrapper.push(format!("trace={call},renameat2"));
    wrapper.extend(["-e".into(), format!("inject={call}:{action}:when={index}{more}")]);
    if call != "renameat2" {
        wrapper.extend(unsupported(trial));
    }
    trial.world.reset(&trial.before)?;
    trial.world.run(&wrapper, &trial.scenario.command)
}

/// strace's option for the call that always fails.
fn unsupported(trial: &Trial) -> Vec<String> {
    let option = trial.scenario.unsupported.map(|call| vec!["-e".into(), format!("inject={call}")]);
    option.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_kind_and_rows_are_thinned() {
        let mut log = String::from("rename(\"a\", \"b\") = 0\nwrite(2, \"x\", 1) = 1\n");
        log.extend((0..25).map(|_| "write(5, \"x\", 1) = 1\n"));
        log += "futex(0x7) = 0\nrename(\"c\", \"d\") = 0\n+++ exited with 0 +++\n";
        let points = thinned(parse(&log));
        let found: Vec<_> = points.iter().map(|p| (p.call.as_str(), p.index)).collect();
        assert_eq!(found[..3], [("rename", 1), ("write", 2), ("write", 5)]);
        assert_eq!((found.len(), found.last()), (11, Some(&("rename", 2))));
    }
}

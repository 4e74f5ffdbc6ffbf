//! `cargo xtask test-crash`: ends gani in the middle of its work, and looks at what is left.
//!
//! gani is killed at every call that changes files and at random moments, each of these calls fails as on a full disk, and folders are
//! small or read-only. After each of them the next command must succeed, and all folders must have the bytes of an undisturbed run.
//! strace counts the calls and kills; `unshare` mounts small and read-only folders.

mod disk;
mod kills;
mod random;
mod scenarios;
mod world;

use crate::{install, steps};
use gani_fetch as fetch;
use random::Random;
use scenarios::Scenario;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use world::{Programs, World};

/// What is tested.
pub struct Plan {
    /// The scenarios; all if empty.
    pub only: Vec<String>,
    /// Number of kills at random moments, shared by all scenarios.
    pub random: usize,
    /// Seed of the random moments; of the clock if `None`.
    pub seed: Option<u64>,
    /// The program, instead of a new debug build.
    pub gani: Option<PathBuf>,
    /// Only at renames, without failing calls and full disks.
    pub short: bool,
}

impl Plan {
    /// The part that `cargo xtask test` runs: less than a minute.
    pub fn short() -> Plan {
        let only = ["edit", "import-replace-in-steps"].map(str::to_owned).into();
        Plan { only, random: 4, seed: None, gani: None, short: true }
    }
}

/// Number of trials of each kind, and what went wrong.
#[derive(Default)]
struct Tally {
    kills: usize,
    random: usize,
    failing: usize,
    disks: usize,
    failures: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.kills += other.kills;
        self.random += other.random;
        self.failing += other.failing;
        self.disks += other.disks;
        self.failures.extend(other.failures);
    }

    fn trials(&self) -> String {
        format!(
            "{} kills at calls, {} at random moments, {} failing calls, {} full or read-only disks: {} failures",
            self.kills,
            self.random,
            self.failing,
            self.disks,
            self.failures.len()
        )
    }
}

/// Names of the scenarios.
pub fn names() -> Vec<&'static str> {
    scenarios::all().iter().map(|s| s.name).collect()
}

/// Runs the scenarios of the plan and prints a line for each.
pub fn run(plan: &Plan) -> Result<(), String> {
    steps::install_onnx_runtime()?;
    steps::need_programs(&[("strace", "strace"), ("unshare", "util-linux")])?;
    let work = steps::target().join("crash");
    let scenarios: Vec<Scenario> = scenarios::all()
        .into_iter()
        .filter(|s| plan.only.is_empty() || plan.only.iter().any(|name| name == s.name))
        .collect();
    let programs = programs(&work, &scenarios, plan.gani.as_deref())?;
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    let seed = plan.seed.unwrap_or(clock);
    println!("seed {seed}; repeat with --seed {seed}");
    let mut random = Random(seed);
    let mut all = Tally::default();
    for (i, scenario) in scenarios.iter().enumerate() {
        let started = Instant::now();
        // The random kills are spread evenly.
        let kills = plan.random * (i + 1) / scenarios.len() - plan.random * i / scenarios.len();
        let tally = test(scenario, &work, &programs, plan, kills, &mut random)
            .map_err(|error| format!("{}: {error}", scenario.name))?;
        println!("{:24} {} ({:.0} s)", scenario.name, tally.trials(), started.elapsed().as_secs_f64());
        for failure in &tally.failures {
            println!("  {failure}");
        }
        all.add(tally);
    }
    println!("{:24} {}", "all", all.trials());
    match all.failures.is_empty() {
        true => Ok(()),
        false => Err("an interrupted command lost or left something; the lines above say which".into()),
    }
}

/// All trials of one scenario.
fn test(
    scenario: &Scenario,
    work: &Path,
    programs: &Programs,
    plan: &Plan,
    kills: usize,
    random: &mut Random,
) -> Result<Tally, String> {
    let trial = Trial::new(scenario, World::new(work.join(scenario.name), programs)?)?;
    let mut tally = kills::at_calls(&trial, plan.short)?;
    tally.add(kills::at_random(&trial, kills, random)?);
    if !plan.short {
        tally.add(kills::failing_calls(&trial)?);
        tally.add(disk::run(&trial)?);
    }
    Ok(tally)
}

/// A scenario with the states before it and after an undisturbed run.
struct Trial<'s> {
    scenario: &'s Scenario,
    world: World,
    before: world::Tree,
    after: world::Tree,
    /// Duration of the undisturbed run.
    seconds: f64,
}

impl Trial<'_> {
    fn new(scenario: &Scenario, world: World) -> Result<Trial<'_>, String> {
        world.reset(&scenarios::inputs()?)?;
        for line in &scenario.before {
            world.succeeds(line)?;
        }
        let before = world.tree()?;
        let started = Instant::now();
        world.succeeds(&scenario.command)?;
        let seconds = started.elapsed().as_secs_f64();
        let after = world.tree()?;
        // Equal bytes are what all trials rely on.
        world.reset(&before)?;
        world.succeeds(&scenario.command)?;
        if let Some(difference) = world::difference(&after, &world.tree()?, scenario.has_times) {
            return Err(format!("two undisturbed runs differ: {difference}"));
        }
        Ok(Trial { scenario, world, before, after, seconds })
    }

    /// Checks the state after an interruption, runs the next commands, and checks the state after them. Returns what is wrong.
    fn check(&self) -> Result<Option<String>, String> {
        let left = world::visible(self.world.tree()?);
        if let Some(problem) = world::stray(&left, [&self.before, &self.after], self.scenario.has_times) {
            return Ok(Some(problem));
        }
        for line in &self.scenario.next {
            let next = self.world.run(&[], line)?;
            if next.code != Some(0) {
                return Ok(Some(format!(
                    "the next command failed: {}\n    {}",
                    line.join(" "),
                    next.stderr.trim().replace('\n', "\n    ")
                )));
            }
        }
        Ok(world::difference(&self.after, &self.world.tree()?, self.scenario.has_times))
    }
}

/// Builds what the scenarios run.
fn programs(work: &Path, scenarios: &[Scenario], built: Option<&Path>) -> Result<Programs, String> {
    let needs = |what: &str| scenarios.iter().any(|s| s.needs == what);
    let debug = steps::target().join("debug");
    let mut programs = Programs {
        gani: built
            .map_or_else(|| debug.join(format!("gani{}", std::env::consts::EXE_SUFFIX)), Path::to_owned),
        portrait: work.join("portrait"),
        library: steps::find_onnx_runtime()?,
        wheels: work.join("wheels"),
    };
    std::fs::create_dir_all(work).map_err(|e| format!("cannot create {}: {e}", work.display()))?;
    if built.is_none() {
        // The debug build: the tests have built it already.
        steps::cargo(&["build", "--workspace", "--bin", "gani"], &[])?;
    }
    if needs("libgani") || needs("portrait") {
        steps::cargo(&["build", "--workspace", "--lib"], &[])?;
    }
    if needs("portrait") {
        programs.portrait = build_portrait(work, &debug.join("libgani.so"))?;
    }
    if needs("wheel") && !programs.wheels.join("done").exists() {
        let _ = std::fs::remove_dir_all(&programs.wheels);
        let failed = |e: std::io::Error| format!("cannot write {}: {e}", programs.wheels.display());
        std::fs::create_dir_all(&programs.wheels).map_err(failed)?;
        fetch::fetch_wheel(&fetch::RANDOM_FACE, &programs.wheels).map_err(|e| e.to_string())?;
        std::fs::write(programs.wheels.join("done"), "").map_err(failed)?;
    }
    Ok(programs)
}

/// The C example, which uses the cache of inversions.
fn build_portrait(work: &Path, library: &Path) -> Result<PathBuf, String> {
    let (prefix, program) = (work.join("installed"), work.join("portrait"));
    steps::need_programs(&[("cc", "gcc")])?;
    install::run(&prefix, Some(library))?;
    install::compile_c("examples/c/portrait.c", &["-std=c11"], &prefix, &program)?;
    Ok(program)
}

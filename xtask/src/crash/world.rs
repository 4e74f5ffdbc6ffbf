//! The folder in which gani runs, with a home and a temporary folder of its own.

use super::scenarios::Line;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A command that takes longer hangs.
const TIMEOUT: Duration = Duration::from_secs(600);

/// A file, folder or link.
#[derive(Clone, PartialEq)]
pub enum Entry {
    File(Vec<u8>),
    Folder,
    Link(PathBuf),
}

/// Paths, relative with `/`, and what is there.
pub type Tree = BTreeMap<String, Entry>;

/// The programs and files that the scenarios use.
#[derive(Clone)]
pub struct Programs {
    pub gani: PathBuf,
    pub portrait: PathBuf,
    /// ONNX Runtime.
    pub library: PathBuf,
    /// The folder from which pip installs.
    pub wheels: PathBuf,
}

/// The end of a command.
pub struct Finished {
    /// The exit code; none if a signal ended the command.
    pub code: Option<i32>,
    pub stderr: String,
}

pub struct World {
    /// Files of the harness itself.
    pub base: PathBuf,
    /// The current folder of all commands.
    pub root: PathBuf,
    programs: Programs,
}

impl World {
    pub fn new(base: PathBuf, programs: &Programs) -> Result<World, String> {
        let root = base.join("world");
        fs::create_dir_all(&root).map_err(failed("create", &root))?;
        let base = base.canonicalize().map_err(failed("read", &base))?;
        Ok(World { root: base.join("world"), base, programs: programs.clone() })
    }

    /// Makes the folder equal to `tree`.
    pub fn reset(&self, tree: &Tree) -> Result<(), String> {
        // pip may go on for a moment after gani was killed.
        let started = Instant::now();
        while let Err(error) = fs::remove_dir_all(&self.root) {
            if started.elapsed() > Duration::from_secs(10) {
                return Err(failed("remove", &self.root)(error));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        fs::create_dir(&self.root).map_err(failed("create", &self.root))?;
        for (name, entry) in tree {
            let path = self.root.join(name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(failed("create", parent))?;
            }
            let made = match entry {
                Entry::File(bytes) => fs::write(&path, bytes),
                Entry::Folder => fs::create_dir_all(&path),
                Entry::Link(target) => link(target, &path),
            };
            made.map_err(failed("write", &path))?;
        }
        Ok(())
    }

    /// Everything in the folder, but what pip left in the temporary folder, and inversions that were saved there on a full disk.
    pub fn tree(&self) -> Result<Tree, String> {
        let mut tree = Tree::new();
        read(&self.root, "", &mut tree)?;
        tree.retain(|name, _| !name.starts_with("tmp/pip-") && !name.starts_with("tmp/gani-"));
        Ok(tree)
    }

    /// What is in `folder`, as if it were at the path `name`.
    pub fn tree_of(&self, folder: &Path, name: &str) -> Result<Tree, String> {
        let mut tree = Tree::from([(name.to_owned(), Entry::Folder)]);
        read(folder, &format!("{name}/"), &mut tree)?;
        Ok(tree)
    }

    /// A command in the folder, with its environment.
    fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new(&words[0]);
        let home = self.root.join("home");
        command
            .args(&words[1..])
            .current_dir(&self.root)
            .env("HOME", &home)
            .env("XDG_DATA_HOME", home.join("data"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("TMPDIR", self.root.join("tmp"))
            .env("ORT_DYLIB_PATH", &self.programs.library)
            .env("PIP_NO_INDEX", "1")
            .env("PIP_NO_CACHE_DIR", "1")
            .env("PIP_FIND_LINKS", &self.programs.wheels)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    /// A line with the path of its program, and the options by which two runs give the same bytes.
    pub fn words(&self, line: &Line) -> Vec<String> {
        let text = |path: &Path| path.display().to_string();
        match line[0].as_str() {
            "gani" => {
                let options = ["--device", "cpu", "--threads", "1"].map(str::to_owned);
                [&[text(&self.programs.gani)][..], &options, &line[1..]].concat()
            }
            _ => [&[text(&self.programs.portrait)][..], &line[1..]].concat(),
        }
    }

    /// Runs a line to its end.
    pub fn run(&self, wrapper: &[String], line: &Line) -> Result<Finished, String> {
        self.run_for(&[wrapper, &self.words(line)].concat(), TIMEOUT, true)
    }

    /// Runs a script to its end.
    pub fn run_script(&self, shell: &[String], script: &Path) -> Result<Finished, String> {
        self.run_for(&[shell, &[script.display().to_string()]].concat(), TIMEOUT, true)
    }

    /// Runs a line and kills it after `time`.
    pub fn kill_after(&self, line: &Line, time: Duration) -> Result<Finished, String> {
        self.run_for(&self.words(line), time, false)
    }

    /// Runs a command. After `time`, it is killed, which is an error if it `must_end`.
    fn run_for(&self, words: &[String], time: Duration, must_end: bool) -> Result<Finished, String> {
        let log = self.base.join("stderr.txt");
        let mut command = self.command(words);
        command.stderr(File::create(&log).map_err(failed("write", &log))?);
        let shown = words.join(" ");
        let started = Instant::now();
        let mut child = command.spawn().map_err(|e| format!("cannot run {shown}: {e}"))?;
        let waiting = |e: std::io::Error| format!("cannot wait for {shown}: {e}");
        let status = loop {
            if let Some(status) = child.try_wait().map_err(waiting)? {
                break status;
            }
            let left = time.saturating_sub(started.elapsed());
            if left.is_zero() {
                child.kill().map_err(waiting)?;
                let status = child.wait().map_err(waiting)?;
                if must_end {
                    return Err(format!("{shown} did not end within {} s", time.as_secs()));
                }
                break status;
            }
            std::thread::sleep(left.min(Duration::from_millis(5)));
        };
        let stderr = String::from_utf8_lossy(&fs::read(&log).map_err(failed("read", &log))?).into_owned();
        Ok(Finished { code: status.code(), stderr })
    }

    /// Runs a line that must succeed.
    pub fn succeeds(&self, line: &Line) -> Result<(), String> {
        let finished = self.run(&[], line)?;
        match finished.code {
            Some(0) => Ok(()),
            code => Err(format!("{} ended with {code:?}:\n{}", line.join(" "), finished.stderr)),
        }
    }
}

/// The first difference of two trees, in words.
pub fn difference(expected: &Tree, found: &Tree, names_only: bool) -> Option<String> {
    let missing = expected.keys().find(|name| !found.contains_key(*name));
    let extra = found.keys().find(|name| !expected.contains_key(*name));
    let differs = |name: &&String| !names_only && found.get(*name) != expected.get(*name);
    missing
        .map(|name| format!("{name} is missing"))
        .or(extra.map(|name| format!("{name} was left")))
        .or(expected.keys().find(differs).map(|name| format!("{name} has other content")))
}

/// The first file or folder that is in none of the two `states`.
pub fn stray(found: &Tree, states: [&Tree; 2], names_only: bool) -> Option<String> {
    let is_known = |name: &String, entry: &Entry| {
        states.iter().any(|state| state.get(name).is_some_and(|known| names_only || known == entry))
    };
    let stray = found.iter().find(|(name, entry)| !is_known(name, entry));
    stray.map(|(name, _)| format!("{name} is neither an old nor a new file"))
}

/// Without hidden files and folders, and what is in them.
pub fn visible(mut tree: Tree) -> Tree {
    tree.retain(|name, _| !name.split('/').any(|part| part.starts_with('.')));
    tree
}

fn read(folder: &Path, prefix: &str, tree: &mut Tree) -> Result<(), String> {
    for entry in fs::read_dir(folder).map_err(failed("read", folder))? {
        let entry = entry.map_err(failed("read", folder))?;
        let (name, path) = (format!("{prefix}{}", entry.file_name().to_string_lossy()), entry.path());
        let kind = entry.file_type().map_err(failed("read", &path))?;
        if kind.is_dir() {
            read(&path, &format!("{name}/"), tree)?;
            tree.insert(name, Entry::Folder);
        } else if kind.is_symlink() {
            tree.insert(name, Entry::Link(fs::read_link(&path).map_err(failed("read", &path))?));
        } else {
            tree.insert(name, Entry::File(fs::read(&path).map_err(failed("read", &path))?));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn link(target: &Path, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn link(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// For `map_err` on a file operation.
pub fn failed<'p>(doing: &'static str, path: &'p Path) -> impl FnOnce(std::io::Error) -> String + 'p {
    move |error| format!("cannot {doing} {}: {error}", path.display())
}

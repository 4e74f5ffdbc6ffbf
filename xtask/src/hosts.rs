//! `cargo xtask test-hosts`: tests gani's plug-ins in real editors, with and without windows, in a Debian root.

mod report;
mod root;

use crate::{dist, steps};
pub use report::Report;
pub use root::Root;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The folder for screenshots and logs.
const OUT: &str = "out/hosts";

/// A test suite: an editor with its own home folder.
#[derive(Clone, Copy, PartialEq)]
pub enum Suite {
    /// GIMP 3.0.
    Gimp,
    /// Krita 5.2.
    Krita,
    /// GIMP 3.0 with the 1024 px face model (release builds; takes minutes).
    FullSize,
}

impl Suite {
    /// The names on the command line.
    pub const NAMES: [&str; 3] = ["gimp", "krita", "full-size"];

    /// The suite with this name.
    pub fn from_name(name: &str) -> Option<Suite> {
        match name {
            "gimp" => Some(Suite::Gimp),
            "krita" => Some(Suite::Krita),
            "full-size" => Some(Suite::FullSize),
            _ => None,
        }
    }
}

/// A test in the root: a Python program of `tests/hosts` that runs inside a host or controls it.
struct Test {
    /// The name of the test in the report.
    title: &'static str,
    /// The command. The files of `tests/hosts` are in `/w`.
    command: &'static [&'static str],
    /// A log file of the host that is evaluated in addition to the output.
    log: Option<&'static str>,
    /// The time limit, generous enough for a busy machine.
    limit: Duration,
}

/// The command that runs a program of `tests/hosts` inside GIMP without windows.
macro_rules! gimp_console {
    ($program:literal) => {
        &[
            "gimp-console-3.0",
            "-n",
            "-i",
            "--batch-interpreter=python-fu-eval",
            "-b",
            concat!("exec(open('/w/", $program, "').read())"),
            "--quit",
        ]
    };
}

/// GIMP's tests. The second uses the inversion that the first left in the cache.
const GIMP: &[Test] = &[
    Test {
        title: "GIMP without windows",
        command: gimp_console!("gimp_batch.py"),
        log: None,
        limit: Duration::from_secs(1800),
    },
    Test {
        title: "GIMP with windows",
        command: &["python3", "/w/gimp_window.py"],
        log: Some("window.log"),
        limit: Duration::from_secs(1200),
    },
];

/// Krita's test, which imports the zip first. Its PASS and FAIL lines are in Krita's log.
const KRITA: &[Test] = &[Test {
    title: "Krita with windows",
    command: &["python3", "/w/krita_window.py"],
    log: Some("krita.log"),
    limit: Duration::from_secs(1800),
}];

/// The test with the full-size model: an inversion of a photo, then edits of the cached inversion.
const FULL_SIZE: &[Test] = &[Test {
    title: "GIMP with the 1024 px model",
    command: gimp_console!("gimp_full_size.py"),
    log: None,
    limit: Duration::from_secs(1800),
}];

/// Creates missing roots, runs all tests or those of one editor, and prints a report.
pub fn run(only: Option<Suite>) -> Result<(), String> {
    let library = steps::install_onnx_runtime()?;
    let out = steps::root().join(OUT);
    fs::create_dir_all(&out).map_err(|error| format!("cannot create {OUT}: {error}"))?;
    let mut report = Report::default();
    for editor in [Suite::Gimp, Suite::Krita, Suite::FullSize] {
        if only.is_none_or(|only| only == editor) {
            test_editor(editor, &library, &Root::trixie(editor)?, &out, &mut report)?;
        }
    }
    println!("screenshots and logs: {OUT}");
    report.finish()
}

/// Runs GIMP's tests as part of `cargo xtask test`. If no Debian root can be created, prints the reason and skips them.
pub fn run_if_possible() -> Result<(), String> {
    match Root::trixie(Suite::Gimp) {
        Ok(_) => run(Some(Suite::Gimp)),
        Err(why) => {
            println!("skipped: the plug-in in real GIMP (`cargo xtask test-hosts gimp`): {why}");
            Ok(())
        }
    }
}

fn test_editor(
    editor: Suite,
    library: &Path,
    root: &Root,
    out: &Path,
    report: &mut Report,
) -> Result<(), String> {
    const PACKAGES: [&str; 7] =
        ["build", "--package", "gani", "--package", "gani-gimp", "--package", "gani-ffi"];
    let full_size = editor == Suite::FullSize;
    let profile: &[&str] = if full_size { &["--release"] } else { &[] };
    steps::cargo(&[&PACKAGES, profile].concat(), &[])?;
    let built = steps::target().join(if full_size { "release" } else { "debug" });
    let work = tempfile::Builder::new()
        .prefix("gani-hosts-")
        .tempdir()
        .map_err(|error| format!("cannot create a temporary folder: {error}"))?;
    let work = work.path();
    populate(work, library, &built)?;
    let (name, tests, before, after): (_, _, &[_], &[_]) = match editor {
        Suite::Gimp => ("gimp", GIMP, &["install", "check"], &["uninstall"]),
        // The test itself imports the zip; these actions test the command before that.
        Suite::Krita => ("krita", KRITA, &["install", "check", "uninstall"], &[]),
        Suite::FullSize => ("gimp", FULL_SIZE, &["install"], &[]),
    };
    report.plugin(name, before, root, work);
    test_all(tests, root, work, out, report)?;
    report.plugin(name, after, root, work);
    save_screenshots(&work.join("shots"), out)
}

fn test_all(tests: &[Test], root: &Root, work: &Path, out: &Path, report: &mut Report) -> Result<(), String> {
    for test in tests {
        let started = Instant::now();
        println!("> {} …", test.title);
        let mut output = root.run(work, test.command, test.limit)?;
        if let Some(log) = test.log {
            output += &fs::read_to_string(work.join(log)).unwrap_or_default();
        }
        fs::write(out.join(format!("{}.log", test.title.replace(' ', "-").to_lowercase())), &output)
            .map_err(|error| format!("cannot write into {OUT}: {error}"))?;
        report.read(test.title, &output, started.elapsed());
    }
    Ok(())
}

/// Populates the folder that becomes `/w` in the root with a user's home and the contents of gani's archive, from the
/// builds in `built`.
fn populate(work: &Path, library: &Path, built: &Path) -> Result<(), String> {
    let root = steps::root();
    for folder in ["home/.config/GIMP/3.0", "home/.local/share/krita", "gani/bin", "gani/lib"] {
        let folder = work.join(folder);
        fs::create_dir_all(&folder)
            .map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
    }
    let gimprc = work.join("home/.config/GIMP/3.0/gimprc");
    let quiet = "(show-welcome-dialog no)\n(check-updates no)\n(color-profile-policy keep)\n(config-version \"3.0.4\")\n";
    fs::write(&gimprc, quiet).map_err(cannot_write(&gimprc))?;
    let name = library.file_name().unwrap_or_default();
    let c_library = format!("{DLL_PREFIX}gani{DLL_SUFFIX}");
    dist::krita_zip(&work.join("gani-krita.zip"), &built.join(&c_library))?;
    let mut files: Vec<(PathBuf, PathBuf)> = vec![
        (built.join("gani"), "gani/bin/gani".into()),
        (built.join("gani-gimp"), "gani/bin/gani-gimp".into()),
        (library.to_owned(), Path::new("gani/lib").join(name)),
        (built.join(&c_library), Path::new("gani/lib").join(&c_library)),
        (root.join("plugin-krita/pykrita/gani.desktop"), "gani/plug-ins/pykrita/gani.desktop".into()),
        (root.join("tests/data/astronaut.png"), "astronaut.png".into()),
    ];
    for (folder, to) in [
        ("tests/hosts", ""),
        ("plugin-krita/pykrita/gani", "gani/plug-ins/pykrita/gani"),
        ("models/common", "gani/models/common"),
        ("models/ffhq-64", "gani/models/ffhq-64"),
        ("models/ffhq-1024", "gani/models/ffhq-1024"),
    ] {
        let entries =
            fs::read_dir(root.join(folder)).map_err(|error| format!("cannot read {folder}: {error}"))?;
        files.extend(entries.flatten().map(|e| (e.path(), Path::new(to).join(e.file_name()))));
    }
    for (from, to) in files.into_iter().filter(|(from, _)| from.is_file()) {
        let to = work.join(to);
        fs::create_dir_all(to.parent().unwrap_or(work)).map_err(cannot_write(&to))?;
        fs::copy(&from, &to).map_err(cannot_write(&to))?;
    }
    Ok(())
}

fn cannot_write(path: &Path) -> impl FnOnce(std::io::Error) -> String + '_ {
    move |error| format!("cannot write {}: {error}", path.display())
}

fn save_screenshots(shots: &Path, out: &Path) -> Result<(), String> {
    for shot in fs::read_dir(shots).into_iter().flatten().flatten() {
        let to = out.join(shot.file_name());
        fs::copy(shot.path(), &to).map_err(|error| format!("cannot write {}: {error}", to.display()))?;
    }
    Ok(())
}

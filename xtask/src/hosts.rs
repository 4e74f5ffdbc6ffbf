//! `cargo xtask test-hosts`: gani's plug-ins in real editors, inside a Debian of their own, with and without windows.

mod report;
mod root;

use crate::{dist, install, steps};
use gani_core::bundle;
use report::Report;
use root::Root;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where screenshots and logs stay.
const OUT: &str = "out/hosts";

/// What is tested: an editor, each with a home of its own.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
pub enum Editor {
    /// GIMP 3.0.
    Gimp,
    /// Krita 5.2.
    Krita,
    /// GIMP 3.0 with the 1024 px face model (release builds; some minutes).
    FullSize,
}

/// A test in the root: a Python program of `tests/hosts`, run in or beside a host.
struct Test {
    /// The host, for the report.
    title: &'static str,
    /// The command; files of `tests/hosts` lie in `/w`.
    command: &'static [&'static str],
    /// The host's own log, beside what the command prints.
    log: Option<&'static str>,
    /// No host needs longer, however busy the machine is.
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

/// GIMP's tests. The second finds the face in the cache, where the first put it.
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

/// Krita's test, which imports the zip first. The session's lines are in Krita's log.
const KRITA: &[Test] = &[Test {
    title: "Krita with windows",
    command: &["python3", "/w/krita_window.py"],
    log: Some("krita.log"),
    limit: Duration::from_secs(1800),
}];

/// The model of real use, as its user has it: an inversion of a photograph, and edits from the cache.
const FULL_SIZE: &[Test] = &[Test {
    title: "GIMP with the 1024 px model",
    command: gimp_console!("gimp_full_size.py"),
    log: None,
    limit: Duration::from_secs(1800),
}];

/// Makes what is missing, runs every test, or one editor's, and prints a report.
pub fn run(only: Option<Editor>) -> Result<(), String> {
    let library = steps::install_onnx_runtime()?;
    let out = steps::root().join(OUT);
    fs::create_dir_all(&out).map_err(|error| format!("cannot make {OUT}: {error}"))?;
    let mut report = Report::default();
    for editor in [Editor::Gimp, Editor::Krita, Editor::FullSize] {
        if only.is_none_or(|only| only == editor) {
            test_editor(editor, &library, &Root::trixie(editor)?, &out, &mut report)?;
        }
    }
    println!("screenshots and logs: {OUT}");
    report.finish()
}

/// GIMP's tests, as a part of all tests: left out, with the reason, where no Debian can be made for them.
pub fn run_where_possible() -> Result<(), String> {
    match Root::trixie(Editor::Gimp) {
        Ok(_) => run(Some(Editor::Gimp)),
        Err(why) => {
            println!("left out: the plug-in in real GIMP, `cargo xtask test-hosts gimp`: {why}");
            Ok(())
        }
    }
}

fn test_editor(
    editor: Editor,
    library: &Path,
    root: &Root,
    out: &Path,
    report: &mut Report,
) -> Result<(), String> {
    const PACKAGES: [&str; 7] =
        ["build", "--package", "gani", "--package", "gani-gimp", "--package", "gani-ffi"];
    let full_size = editor == Editor::FullSize;
    let profile: &[&str] = if full_size { &["--release"] } else { &[] };
    steps::cargo(&[&PACKAGES, profile].concat(), &[])?;
    let built = steps::target().join(if full_size { "release" } else { "debug" });
    let work = tempfile::Builder::new()
        .prefix("gani-hosts-")
        .tempdir()
        .map_err(|error| format!("no temporary folder can be made: {error}"))?;
    let work = work.path();
    furnish(work, library, &built)?;
    let (name, tests, before, after): (_, _, &[_], &[_]) = match editor {
        Editor::Gimp => ("gimp", GIMP, &["install", "check"], &["uninstall"]),
        // The zip brings its own.
        Editor::Krita => ("krita", KRITA, &["install", "check", "uninstall"], &[]),
        Editor::FullSize => ("gimp", FULL_SIZE, &["install"], &[]),
    };
    if full_size {
        steps::fetch_face_model(&built.join("gani"))?;
        let models =
            bundle::user_folder().ok_or("cannot tell where the user's models are\n  fix: set HOME")?;
        for folder in ["ffhq-1024", "common"] {
            let to = work.join("home/.local/share/gani/models").join(folder);
            install::copy_folder(&models.join(folder), &to)?;
        }
    }
    report.plugin(name, before, root, work);
    test_all(tests, root, work, out, report)?;
    report.plugin(name, after, root, work);
    keep_screenshots(&work.join("shots"), out)
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

/// Fills a folder, which is `/w` in the root, as a user's home and an unpacked archive of gani would look, with the builds
/// in `built`.
fn furnish(work: &Path, library: &Path, built: &Path) -> Result<(), String> {
    let root = steps::root();
    for folder in ["home/.config/GIMP/3.0", "home/.local/share/krita", "gani/bin", "gani/lib"] {
        let folder = work.join(folder);
        fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    let gimprc = work.join("home/.config/GIMP/3.0/gimprc");
    let quiet = "(show-welcome-dialog no)\n(check-updates no)\n(color-profile-policy keep)\n(config-version \"3.0.4\")\n";
    fs::write(&gimprc, quiet).map_err(unwritten(&gimprc))?;
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
    ] {
        let entries =
            fs::read_dir(root.join(folder)).map_err(|error| format!("cannot read {folder}: {error}"))?;
        files.extend(entries.flatten().map(|e| (e.path(), Path::new(to).join(e.file_name()))));
    }
    for (from, to) in files.into_iter().filter(|(from, _)| from.is_file()) {
        let to = work.join(to);
        fs::create_dir_all(to.parent().unwrap_or(work)).map_err(unwritten(&to))?;
        fs::copy(&from, &to).map_err(unwritten(&to))?;
    }
    Ok(())
}

fn unwritten(path: &Path) -> impl FnOnce(std::io::Error) -> String + '_ {
    move |error| format!("cannot write {}: {error}", path.display())
}

fn keep_screenshots(shots: &Path, out: &Path) -> Result<(), String> {
    for shot in fs::read_dir(shots).into_iter().flatten().flatten() {
        let to = out.join(shot.file_name());
        fs::copy(shot.path(), &to).map_err(|error| format!("cannot write {}: {error}", to.display()))?;
    }
    Ok(())
}

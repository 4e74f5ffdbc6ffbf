//! Results of photos: nothing of the user's is replaced, and an interrupted run loses and leaves nothing.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const PHOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/astronaut.png");

/// `gani invert` with two steps.
fn invert(photos: &[&Path], folder: &Path, more: &[&str]) -> Command {
    invert_with_steps("2", photos, folder, more)
}

fn invert_with_steps(steps: &str, photos: &[&Path], folder: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gani"));
    command.args(["--model", "ffhq-64", "--device", "cpu", "invert", "--refine", "2", "--iterations", steps]);
    command.args(photos).arg("-o").arg(folder).args(more);
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeds(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    output
}

/// Name and content of the files in `folder`, hidden ones too.
fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let read = |path: PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap_or_default())
    };
    entries.map(read).collect()
}

fn names_in(folder: &Path) -> Vec<String> {
    files_in(folder).into_keys().collect()
}

#[test]
fn a_result_never_replaces_a_photo() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let png = folder.join("a.png");
    std::fs::copy(PHOTO, &png).unwrap();
    let before = files_in(folder);
    let other_spelling = folder.join("..").join(folder.file_name().unwrap());
    for output in [folder, &other_spelling] {
        let failed = invert(&[folder], output, &["--force"]).output().unwrap();
        assert_eq!(failed.status.code(), Some(1));
        assert!(stderr(&failed).contains("would replace the photo"), "{}", stderr(&failed));
    }
    assert_eq!(files_in(folder), before);

    // Beside a photo of another extension, results are possible, and no photos of the next run.
    image::open(&png).unwrap().to_rgb8().save(folder.join("b.jpg")).unwrap();
    std::fs::remove_file(&png).unwrap();
    std::fs::write(folder.join("._b.jpg"), b"resource fork").unwrap();
    let all = ["._b.jpg", "b-loss.png", "b-sheet.png", "b.jpg", "b.png", "b.safetensors"];
    for more in ["-q", "--resume", "--force"] {
        succeeds(invert(&[folder], folder, &[more]));
        assert_eq!(names_in(folder), all, "{more}");
    }

    // Hidden files are named at -v, pictures of formats that are not read always.
    std::fs::write(folder.join("c.HEIC"), b"").unwrap();
    let said = |more: &[&str]| stderr(&succeeds(invert(&[folder], folder, more)));
    let (quiet, verbose) = (said(&["--resume"]), said(&["--resume", "-v"]));
    assert!(quiet.contains("c.HEIC") && !quiet.contains("._b.jpg"), "{quiet}");
    assert!(verbose.contains("._b.jpg"), "{verbose}");

    // A file that gani did not write stays.
    let mine = tempfile::tempdir().unwrap();
    std::fs::write(mine.path().join("b-sheet.png"), b"mine").unwrap();
    let failed = invert(&[&folder.join("b.jpg")], mine.path(), &["--force"]).output().unwrap();
    assert!(stderr(&failed).contains("may be a file of yours"), "{}", stderr(&failed));
    assert_eq!(files_in(mine.path()), BTreeMap::from([("b-sheet.png".into(), b"mine".to_vec())]));
}

#[test]
fn strange_names_are_reported_before_the_work_or_written() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    std::fs::create_dir(&input).unwrap();
    let long = input.join(format!("{}.png", "n".repeat(248)));
    let latin = input.join(OsStr::from_bytes(b"fa\xe7ade.png"));
    let again = input.join(OsStr::from_bytes(b"fa\xe7ade.jpg"));
    for path in [&long, &latin, &again] {
        std::fs::copy(PHOTO, path).unwrap();
    }
    let started = invert(&[&long, &latin, &again], &output, &["--json"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&started.stdout).unwrap();
    assert_eq!(report["files"][0]["photo"], latin.display().to_string());
    let errors: Vec<_> =
        report["failed"].as_array().unwrap().iter().map(|f| f["error"].to_string()).collect();
    assert!(errors[0].contains("bytes, more than the 255"), "{errors:?}");
    assert!(errors[1].contains("an earlier photo has the same name"), "{errors:?}");
    assert_eq!(names_in(&output).len(), 4);
}

#[test]
fn a_closed_standard_error_does_not_end_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = invert(&[Path::new(PHOTO)], folder.path(), &[]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(names_in(folder.path()).len(), 4);
}

#[test]
fn sigterm_and_sighup_cancel_unless_nohup() {
    for (signal, nohup, code) in [("TERM", false, 130), ("HUP", false, 130), ("HUP", true, 0)] {
        let folder = tempfile::tempdir().unwrap();
        let steps = if nohup { "40" } else { "100000" };
        let inner = invert_with_steps(steps, &[Path::new(PHOTO)], folder.path(), &[]);
        let mut command = if nohup { Command::new("nohup") } else { Command::new("env") };
        command.arg(inner.get_program()).args(inner.get_args()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let started = Instant::now();
        // The work folder exists while the face is inverted.
        while !folder.path().join(".gani-astronaut").exists() {
            assert!(started.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(
            Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success()
        );
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}, nohup: {nohup}");
        assert_eq!(names_in(folder.path()).len(), if nohup { 4 } else { 0 });
    }
}

/// Killed anywhere, the next run with --resume succeeds, and the folder has the files of an undisturbed run.
#[test]
fn killed_runs_are_resumed() {
    let reference = tempfile::tempdir().unwrap();
    let started = Instant::now();
    succeeds(invert(&[Path::new(PHOTO)], reference.path(), &["--threads", "1"]));
    let (expected, whole) = (files_in(reference.path()), started.elapsed());
    let folder = tempfile::tempdir().unwrap();
    for i in 0..4 {
        let mut command = invert(&[Path::new(PHOTO)], folder.path(), &["--threads", "1", "--force"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Most often in the last third, where files are written.
        std::thread::sleep(whole.mul_f64(0.65 + 0.1 * f64::from(i)));
        child.kill().unwrap();
        child.wait().unwrap();
        succeeds(invert(&[Path::new(PHOTO)], folder.path(), &["--threads", "1", "--resume"]));
        assert_eq!(files_in(folder.path()), expected);
    }
}

/// An inversion that was damaged on the disk is made again by --resume; --force replaces it, too.
#[test]
fn a_damaged_result_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run =
        |more: &[&str]| succeeds(invert(&[Path::new(PHOTO)], folder, &[&["--threads", "1"], more].concat()));
    run(&[]);
    let expected = files_in(folder);
    let path = folder.join("astronaut.safetensors");
    let whole = &expected["astronaut.safetensors"];
    let mut changed = whole.clone();
    changed[whole.len() - 100] ^= 1;
    for (more, bytes) in [("--resume", &changed[..]), ("--resume", &whole[..1000]), ("--force", &changed[..])]
    {
        std::fs::write(&path, bytes).unwrap();
        let output = run(&[more]);
        assert_eq!(stderr(&output).contains("is damaged; the photo is inverted again"), more == "--resume");
        assert_eq!(files_in(folder), expected);
    }
}

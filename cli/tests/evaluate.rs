//! `gani evaluate` on the 64 px model: two methods, one valid and one broken image, and a second run.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const PHOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/astronaut.png");

fn evaluate(photos: &Path, out: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gani"))
        .args(["--model", "ffhq-64", "--device", "cpu", "--json", "evaluate"])
        .arg(photos)
        .args(["--methods", "gani:fast,encoder", "--iterations", "3", "--out"])
        .arg(out)
        .args(more)
        .output()
        .unwrap()
}

/// The HTML that the page's script produces in Chromium. A screenshot is saved in the target folder for inspection.
fn in_browser(page: &Path) -> String {
    let screenshot = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report.png");
    let profile = tempfile::tempdir().unwrap();
    let browse = |action: String| {
        let output = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"])
            .args(["--no-first-run", "--disable-sync", "--window-size=1300,1900", &action])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("file://{}", page.display()))
            .output()
            .expect("`chromium` is needed: cargo xtask test installs it, or apt-get install chromium");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !stderr.contains("CONSOLE"), "{stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    browse(format!("--screenshot={}", screenshot.display()));
    assert!(image::open(&screenshot).unwrap().width() == 1300);
    let dom = browse("--dump-dom".into());
    dom.split("<script").next().unwrap_or_default().into() // the visible part, without data and code
}

#[test]
fn methods_are_compared_and_a_second_run_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let (photos, out) = (folder.path().join("photos"), folder.path().join("report"));
    std::fs::create_dir(&photos).unwrap();
    std::fs::copy(PHOTO, photos.join("astronaut.png")).unwrap();
    std::fs::write(photos.join("broken.jpg"), "not an image").unwrap();
    std::fs::write(photos.join("notes.txt"), "ignored").unwrap();

    // Fidelity only. The next run measures drift and editability too.
    let quick = evaluate(&photos, &out, &["--fidelity"]);
    let quick: Value = serde_json::from_slice(&quick.stdout).unwrap();
    assert!(
        quick["cases"][1]["drift"].is_null() && quick["cases"][1]["metrics"]["mse"].as_f64().unwrap() > 0.0
    );

    let first = evaluate(&photos, &out, &[]);
    let stderr = String::from_utf8_lossy(&first.stderr);
    assert_eq!(first.status.code(), Some(1), "the broken image must be a failure: {stderr}");
    let report: Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(report["failed"].as_array().unwrap().len(), 1);
    assert!(report["failed"][0]["photo"].as_str().unwrap().ends_with("broken.jpg"));
    let [gani, encoder] = &report["cases"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!((gani["method"].as_str(), encoder["method"].as_str()), (Some("gani:fast"), Some("encoder")));
    let mse = |case: &Value| case["metrics"]["mse"].as_f64().unwrap();
    assert!(mse(gani) < mse(encoder), "tuning made it worse: {} to {}", mse(encoder), mse(gani));
    // The encoder does not change the generator, tuning does.
    assert_eq!(encoder["drift"]["mse"].as_f64(), Some(0.0));
    assert!(gani["drift"]["lpips"].as_f64().unwrap() > 0.0);
    for edit in encoder["edits"].as_array().unwrap() {
        assert_eq!(edit["moved"][0], edit["moved"][1], "{edit}");
    }
    assert!(encoder["edits"].as_array().unwrap().iter().any(|e| e["direction"] == "smile"));
    // A mean of one face has no standard error.
    let mean = &report["methods"][0]["means"][3];
    assert_eq!((mean["mean"].as_f64(), mean["n"].as_u64()), (Some(mse(gani)), Some(1)));
    assert!(mean["standard_error"].is_null());

    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("data:image/jpeg;base64,") && !page.contains("DATA<"), "the page has no data");
    let dom = in_browser(&out.join("report.html"));
    assert!(dom.matches("<tr>").count() == 1 + 2 && dom.matches("<polyline").count() == 1, "{dom:.3000}");
    assert!(dom.matches("<figure").count() == 2 && dom.contains("astronaut</h3>"), "the faces are missing");
    assert!(dom.contains("broken.jpg") && !dom.contains(">NaN") && !dom.contains("undefined"), "{dom:.3000}");
    let csv = std::fs::read_to_string(out.join("report.csv")).unwrap();
    let columns = |line: &str| line.split(',').count();
    assert_eq!(csv.lines().count(), 3);
    assert!(csv.lines().all(|line| columns(line) == columns(csv.lines().next().unwrap())), "{csv}");

    // The second run measures nothing again.
    let again = evaluate(&photos, &out, &["--fidelity"]);
    let stderr = String::from_utf8_lossy(&again.stderr);
    assert_eq!(stderr.matches("result of an earlier run").count(), 2, "{stderr}");
    let second: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(second["cases"], report["cases"]);

    // A damaged result is measured again.
    let cases = std::fs::read_dir(out.join("cases")).unwrap().map(|e| e.unwrap().path());
    let case = cases.into_iter().find(|path| path.to_string_lossy().ends_with(".encoder.json")).unwrap();
    let text = std::fs::read_to_string(&case).unwrap();
    std::fs::write(&case, text.replacen("\\\"mse\\\":0.", "\\\"mse\\\":1.", 1)).unwrap();
    assert_ne!(std::fs::read_to_string(&case).unwrap(), text);
    let again = evaluate(&photos, &out, &["--fidelity"]);
    let stderr = String::from_utf8_lossy(&again.stderr);
    assert!(stderr.contains(".encoder.json is damaged"), "{stderr}");
    assert_eq!(stderr.matches("result of an earlier run").count(), 1, "{stderr}");
}

#[test]
fn invalid_input_is_rejected_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report");
    let empty = evaluate(folder.path(), &out, &[]);
    assert_eq!(empty.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&empty.stderr).contains("contains no image"));
    let unknown = Command::new(env!("CARGO_BIN_EXE_gani"))
        .args(["evaluate", ".", "--methods", "gani,magic", "--out", "x"])
        .output()
        .unwrap();
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("restyle"));
}

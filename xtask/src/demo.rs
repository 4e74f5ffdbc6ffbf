//! The demo: inverts a photo at 1024 px, edits smile and age, and pastes the results back into the photo.

use crate::steps;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const PHOTO: &str = "tests/data/astronaut.png";
const OUT: &str = "out/demo";
/// The edits: the suffix of the output file, and the argument of `gani edit --set` in σ.
const EDITS: [(&str, &str); 3] = [("smile", "smile=2"), ("older", "age=2"), ("younger", "age=-2")];

/// Installs the library and the program, inverts, edits, and prints the files written.
pub fn run() -> Result<(), String> {
    steps::install_onnx_runtime()?;
    let gani = steps::build_gani()?;
    let started = Instant::now();
    let inversion = invert(&gani)?;
    let photo = Path::new(PHOTO).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    for (name, set) in EDITS {
        let out = format!("{OUT}/{photo}-{name}.png");
        steps::run(
            Command::new(&gani)
                .args(["edit", &inversion, "--set", set, "--paste-into", PHOTO])
                .args(["-o", &out, "--force"]),
        )?;
    }
    steps::run(
        Command::new(&gani)
            .args(["edit", &inversion, "--set", "smile", "--set", "age", "--sheet=-3..3"])
            .args(["-o", &format!("{OUT}/{photo}-edits.png"), "--force"]),
    )?;
    println!("\nfrom photo to edits in {:.0} s; images:", started.elapsed().as_secs_f64());
    list_images()
}

/// Inverts the photo and returns the path of the inversion file that the program reports.
fn invert(gani: &Path) -> Result<String, String> {
    let report = steps::read(
        Command::new(gani).args(["invert", PHOTO, "-o", OUT, "--preset", "fast"]).args(["--force", "--json"]),
    )?;
    let report: serde_json::Value =
        serde_json::from_str(&report).map_err(|error| format!("gani invert --json: not JSON: {error}"))?;
    let file = &report["files"][0];
    let metric = |name: &str| file["metrics"][name].as_f64().map_or("-".to_string(), |v| format!("{v:.4}"));
    println!(
        "inverted in {:.0} s: MSE {}, LPIPS {}, MS-SSIM {}, ID {}",
        file["seconds"].as_f64().unwrap_or_default(),
        metric("mse"),
        metric("lpips"),
        metric("ms_ssim"),
        metric("id")
    );
    file["inversion"]
        .as_str()
        .map(str::to_string)
        .ok_or(format!("gani invert --json: no inversion in {report}"))
}

fn list_images() -> Result<(), String> {
    let folder = steps::root().join(OUT);
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("cannot read {OUT}: {error}"))?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".png"))
        .collect();
    names.sort();
    for name in names {
        println!("  {OUT}/{name}");
    }
    Ok(())
}

//! `gani bench` on the 64 px model.

use serde_json::Value;
use std::process::Command;

#[test]
fn the_estimate_is_at_least_the_sum_of_its_steps() {
    let output = Command::new(env!("CARGO_BIN_EXE_gani"))
        .args(["bench", "--model", "ffhq-64", "--device", "cpu", "--json", "-q"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["model"], &report["device"]), (&"ffhq-64".into(), &"cpu".into()));
    let number = |v: &Value| {
        v.as_f64().filter(|n| n.is_finite() && *n > 0.0).unwrap_or_else(|| panic!("{v} in {report}"))
    };
    number(&report["generator_seconds"]);
    number(&report["loss_gradient_seconds"]);
    let [fast, best] = &report["inversions"].as_array().unwrap()[..] else { panic!("{report}") };
    for (e, name) in [(fast, "fast"), (best, "best")] {
        assert_eq!(e["preset"], name);
        let steps = number(&e["steps"]) * number(&e["seconds_per_step"])
            + number(&e["latent_steps"]) * number(&e["seconds_per_latent_step"]);
        assert!(number(&e["seconds"]) >= 0.999 * steps, "{e}");
    }
    assert_eq!(number(&best["steps"]), 5.0 * number(&fast["steps"]));
    if cfg!(target_os = "linux") {
        number(&report["peak_memory_mb"]);
    }
}

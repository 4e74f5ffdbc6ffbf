//! `gani bench`: measures the parts of an inversion on this machine and estimates the time of whole inversions.

use crate::context::{Context, Outcome};
use gani_core::report::bench::{Figures, PresetEstimate, bench};

/// Runs the benchmark and prints the results.
pub fn run(context: &Context) -> Outcome {
    let model = context.model(None)?;
    context.say(
        "this takes from a few seconds at 64 px to a minute at 1024 px; do not run other programs meanwhile",
    );
    let figures = bench(&model, context.common.seed.number, &context.cancel, |part| {
        context.say(&format!("measuring: {part}"));
    })?;
    context.print(&figures, &lines(&figures).join("\n"))
}

fn lines(f: &Figures) -> Vec<String> {
    let threads = if f.threads == 1 { "thread" } else { "threads" };
    let mut lines = vec![
        format!("{} on {}, {} {threads}, ONNX Runtime {}", f.model, f.device, f.threads, f.onnx_runtime),
        format!("an image               {}", precise(f.generator_seconds)),
        format!("loss and its gradient  {}", precise(f.loss_gradient_seconds)),
    ];
    for e in &f.inversions {
        lines.push(format!("tuning step, {:9} {}", e.preset, precise(e.seconds_per_step)));
    }
    lines.extend(f.peak_memory_mb.map(|mb| format!("peak memory            {mb} MB")));
    lines.extend(f.inversions.iter().map(estimate));
    lines
}

/// `gani invert --preset fast: about 1 min 40 s (direct: 110 latent steps of 600 ms, 60 steps of 1.2 s)`.
fn estimate(e: &PresetEstimate) -> String {
    let tuning = format!("{} steps of {}", e.steps, precise(e.seconds_per_step));
    let work = match e.latent_steps {
        0 => tuning,
        n => format!("{n} latent steps of {}, {tuning}", precise(e.seconds_per_latent_step)),
    };
    format!("gani invert --preset {}: about {} ({}: {work})", e.preset, rounded(e.seconds), e.method)
}

/// A duration with its digits: `45.0 ms`, `1.25 s`.
fn precise(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", 1e3 * seconds) } else { format!("{seconds:.2} s") }
}

/// A duration in whole seconds: `8 s`, `3 min 20 s`.
fn rounded(seconds: f64) -> String {
    let whole = seconds.ceil() as u64;
    match (whole / 60, whole % 60) {
        (0, s) => format!("{s} s"),
        (m, s) => format!("{m} min {s} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_lists_its_parts() {
        let e = PresetEstimate {
            preset: "fast".into(),
            method: "direct".into(),
            latent_steps: 110,
            seconds_per_latent_step: 0.6,
            steps: 60,
            seconds_per_step: 1.25,
            seconds: 150.2,
        };
        let text = estimate(&e);
        let with = "about 2 min 31 s (direct: 110 latent steps of 600.0 ms, 60 steps of 1.25 s)";
        assert_eq!(text, format!("gani invert --preset fast: {with}"));
        let without = estimate(&PresetEstimate { latent_steps: 0, seconds: 8.0, ..e });
        assert_eq!(without, "gani invert --preset fast: about 8 s (direct: 60 steps of 1.25 s)");
    }
}

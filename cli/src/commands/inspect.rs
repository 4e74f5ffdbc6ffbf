//! `gani inspect FILE`: shows the contents of a checkpoint, network, bundle or inversion, as text or JSON.

use crate::args::InspectArgs;
use crate::context::{Context, Outcome};
use gani_core::report::inspect::{
    self, BundleContents, Checkpoint, Contents, Cost, InversionContents, Network, Tensor,
};

/// Prints the contents of the file.
pub fn run(context: &Context, args: &InspectArgs) -> Outcome {
    let contents = inspect::inspect(&args.file, args.cost)?;
    let lines = match &contents {
        Contents::Checkpoint(c) => checkpoint(c),
        Contents::Onnx(n) => network(n, "ONNX network"),
        Contents::OpenVino(n) => network(n, "OpenVINO network"),
        Contents::Bundle(b) => bundle(b),
        Contents::Inversion(i) => inversion(i),
    };
    context.print(&contents, &lines.join("\n"))
}

fn checkpoint(c: &Checkpoint) -> Vec<String> {
    let format = match c.format {
        "pickle" => "a pickle with tensors, as NVlabs publishes them",
        "legacy" => "a PyTorch checkpoint in the format before 1.6",
        _ => "a PyTorch checkpoint",
    };
    let mut lines = vec![
        format!("{}: {format}, {}", c.file, size(c.bytes)),
        format!("{} tensors, {} parameters", c.tensors.len(), thousands(c.parameters)),
    ];
    match c.recognized.is_empty() {
        true => lines.push("recognized: no supported network".into()),
        false => lines.extend(c.recognized.iter().map(|r| match r.prefix.is_empty() {
            true => format!("recognized: {}", r.network),
            false => format!("recognized: {} (under `{}`)", r.network, r.prefix),
        })),
    }
    lines.push(String::new());
    lines.extend(tensors(&c.tensors));
    if !c.settings.is_empty() {
        lines.push(String::new());
        lines.extend(c.settings.iter().map(|(name, value)| format!("{name} = {value}")));
    }
    lines
}

fn network(n: &Network, kind: &str) -> Vec<String> {
    let mut lines = vec![format!("{}: {kind}, {}", n.file, size(n.bytes.unwrap_or(0)))];
    lines.push(summary(n));
    let ops: Vec<_> = n.ops.iter().map(|(op, count)| format!("{op} {count}")).collect();
    lines.push(format!("nodes: {}", ops.join(", ")));
    lines.push(String::new());
    lines.extend(tensors(&n.weights));
    if let Some(c) = &n.cost {
        lines.push(String::new());
        lines.extend(cost(c));
    }
    lines
}

/// `ws [1, 10, 512] → image [1, 3, 64, 64]; 120 nodes, 6,163,456 parameters`.
fn summary(n: &Network) -> String {
    let tensors = |tensors: &[inspect::TensorInfo]| {
        let each: Vec<_> = tensors.iter().map(|p| format!("{} {:?}", p.name, p.shape)).collect();
        each.join(", ")
    };
    let (inputs, outputs) = (tensors(&n.inputs), tensors(&n.outputs));
    format!("{inputs} → {outputs}; {} nodes, {} parameters", n.nodes, thousands(n.parameters))
}

fn cost(c: &Cost) -> Vec<String> {
    let (moved, activations) = (size(c.bytes), size(c.activations));
    let mut lines =
        vec![format!("one run: {} FLOPs, {moved} moved, {activations} of activations", giga(c.flops))];
    for o in c.ops.iter().filter(|o| o.flops > 0 || o.bytes > 0) {
        lines.push(format!("  {:22} {:5} × {:>10} {:>12}", o.op, o.nodes, giga(o.flops), size(o.bytes)));
    }
    lines
}

fn bundle(b: &BundleContents) -> Vec<String> {
    let [height, width] = b.image;
    let mut lines = vec![
        format!("{}: bundle {}, {}", b.folder, b.name, b.title),
        format!("image:      {width} × {height} px, domain {}", b.domain),
        format!("license:    {}", b.license),
        format!("provenance: {}", b.provenance),
        format!(
            "tunable:    {} weights, {} to {}",
            b.tunable.len(),
            end(b.tunable.first()),
            end(b.tunable.last())
        ),
        format!(
            "encoder:    {}",
            if b.encoder { "yes" } else { "none (latent codes are found by optimization)" }
        ),
        format!("losses:     {}", b.losses.join(", ")),
        format!("directions: {}; {} principal components", b.directions.join(", "), b.components),
        String::new(),
    ];
    lines
        .extend(b.sources.iter().map(|s| format!("source      {} {} (sha256 {})", s.role, s.file, s.sha256)));
    lines.extend(b.files.iter().map(|f| format!("{:>10}  {} (sha256 {})", size(f.bytes), f.path, f.sha256)));
    for n in &b.networks {
        lines.push(String::new());
        lines.push(format!("{}: {}", n.role, summary(n)));
        lines.extend(n.cost.as_ref().map(cost).unwrap_or_default());
    }
    lines
}

fn end(name: Option<&String>) -> &str {
    name.map_or("-", |n| n)
}

fn inversion(i: &InversionContents) -> Vec<String> {
    let (info, tune) = (&i.info, &i.info.settings.tune);
    let [layers, w_dim] = i.ws;
    let [photo_width, photo_height] = info.photo_size;
    let face = match info.alignment {
        Some(a) => format!(", face at {:?}", a.quad.map(|corner| corner.map(|v| v.round()))),
        None => ", aligned by the user".into(),
    };
    let losses = info.history.first().zip(info.history.last());
    let losses = losses.map_or("none".into(), |(a, b)| {
        format!("{:.4} at the first step, {:.4} at the last", a.total, b.total)
    });
    let mut lines = vec![
        format!("{}: inversion, {}, written by gani {}", i.file, size(i.bytes), info.made_by),
        format!("photo:    {} ({photo_width} × {photo_height} px){face}", info.photo),
        format!("bundle:   {} (generator sha256 {})", info.bundle, info.generator_sha256),
        format!("method:   {}, preset {}, seed {}", info.method, info.preset, info.seed),
        format!(
            "settings: {} steps with learning rate {}, {} refinement steps in W and {} in W+, {:?} localization",
            tune.iterations,
            tune.learning_rate,
            info.settings.refine.steps_w,
            info.settings.refine.steps_w_plus,
            tune.localization
        ),
        format!("latent:   w+ [{layers}, {w_dim}], {} tuned parameters", thousands(info.parameters as u64)),
        format!("losses:   {losses} ({})", info.terms.join(", ")),
        format!("result:   {}", info.metrics),
        format!("encoder:  {}", info.metrics_encoder),
        String::new(),
    ];
    lines.extend(tensors(&i.changes));
    lines
}

/// A line for each tensor, with aligned columns.
fn tensors(tensors: &[Tensor]) -> Vec<String> {
    let width = tensors.iter().map(|t| t.name.chars().count()).max().unwrap_or(0).min(60);
    tensors.iter().map(|t| format!("{:width$}  {:4}  {:?}", t.name, t.dtype, t.shape)).collect()
}

/// `30,370,060`.
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// `12.3 MB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// `1.23 G`.
fn giga(flops: u64) -> String {
    match flops {
        0..1_000_000 => format!("{:.2} k", flops as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} M", flops as f64 / 1e6),
        _ => format!("{:.2} G", flops as f64 / 1e9),
    }
}

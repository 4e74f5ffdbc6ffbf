//! `gani import --generator F … -o BUNDLE`: says what each file is, what the bundle lacks, and what follows from that.

use crate::args::ImportArgs;
use crate::context::{Context, Outcome};
use gani_core::bundle::{ImportOptions, import};
use serde_json::json;
use std::time::Instant;

/// Makes a bundle.
pub fn run(context: &Context, args: &ImportArgs) -> Outcome {
    let started = Instant::now();
    let options = ImportOptions {
        generator: args.generator.clone(),
        tunable: args.tunable.clone(),
        mapping: args.mapping.clone(),
        latents: args.latents.clone(),
        encoder: args.encoder.clone(),
        lpips: args.lpips.clone(),
        identity: args.identity.clone(),
        parsing: args.parsing.clone(),
        moco: args.moco.clone(),
        directions: args.directions.iter().map(|d| (d.name.clone(), d.file.clone())).collect(),
        domain: args.domain.clone(),
        licence: args.licence.clone(),
        force: context.common.force,
    };
    let done = import(&options, &args.output, context.runtime()?, &context.cancel, |role, file| {
        context.say(&format!("reading {role} from {}", file.display()));
    })?;
    let mut lines = vec![format!(
        "{} is a bundle now: {} px, {}",
        done.bundle.folder().display(),
        done.bundle.image_size().map(|n| n.to_string()).join(" × "),
        done.bundle.manifest().title
    )];
    lines.extend(done.recognised.iter().map(|[role, file, text]| format!("  {role:18} {file}: {text}")));
    if !done.missing.is_empty() {
        lines.push("what it does not have, and what it does without:".into());
        lines.extend(done.missing.iter().map(|[what, then]| format!("  {what:18} {then}")));
    }
    lines.push(format!("use it with --model {}", done.bundle.folder().display()));
    let recognised: Vec<_> = done
        .recognised
        .iter()
        .map(|[role, file, text]| json!({ "role": role, "file": file, "text": text }))
        .collect();
    let missing: Vec<_> =
        done.missing.iter().map(|[what, then]| json!({ "what": what, "consequence": then })).collect();
    context.print(
        &json!({
            "bundle": done.bundle.folder(),
            "size": done.bundle.image_size(),
            "recognised": recognised,
            "missing": missing,
            "seconds": started.elapsed().as_secs_f64(),
        }),
        &lines.join("\n"),
    )
}

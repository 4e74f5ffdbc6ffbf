//! `gani metrics A B`.

use crate::args::MetricsArgs;
use crate::context::{Context, Outcome};
use gani_core::photo::Photo;

/// Compares two images at 256 px.
pub fn run(context: &Context, args: &MetricsArgs) -> Outcome {
    let [a, b] = [Photo::open(&args.a)?, Photo::open(&args.b)?].map(|p| p.to_tensor());
    let model = context.model(None)?;
    let metrics = model.measure(a.view(), b.view(), &context.cancel)?;
    context.print(&metrics, &metrics.to_string())
}

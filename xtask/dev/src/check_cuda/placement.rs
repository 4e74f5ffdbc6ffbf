//! The placement of a session's nodes, parsed from ONNX Runtime's log.

use gani_core::runtime::{LOG, Runtime};
use gani_onnx::Graph;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The assignment of a graph's nodes to execution providers.
#[derive(Debug, Default, PartialEq)]
pub struct Placement {
    /// Number of nodes on the GPU, after ONNX Runtime's constant folding and fusion.
    pub cuda: usize,
    /// The other nodes, as `ConvTranspose on CPUExecutionProvider`.
    pub elsewhere: Vec<String>,
    /// Number of inserted copies between host and GPU.
    pub copies: usize,
    /// The provider's reasons for placing nodes on the CPU, if it logs any.
    pub reasons: BTreeSet<String>,
}

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Capture;

impl log::Log for Capture {
    fn enabled(&self, record: &log::Metadata<'_>) -> bool {
        record.target() == LOG
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            LINES.lock().unwrap_or_else(PoisonError::into_inner).push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Starts capturing ONNX Runtime's log.
pub fn capture_log() {
    // A second call has no effect.
    if log::set_logger(&Capture).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
}

/// Creates a session of the graph and returns the placement of its nodes.
pub fn place(runtime: &Runtime, name: &str, graph: &Graph) -> Result<Placement, String> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).clear();
    runtime.compile(name, graph).map_err(|e| e.to_string())?;
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    parse(lines.iter().map(String::as_str))
        .ok_or_else(|| format!("{name}: ONNX Runtime's log does not contain the placement of its nodes"))
}

/// Parses ` All nodes placed on [P]. Number of nodes: N`, or for each provider ` Node(s) placed on [P]. Number of nodes: N`
/// followed by a line `   Op (name)` for each of its nodes. Also collects the CUDA provider's reasons.
fn parse<'l>(lines: impl Iterator<Item = &'l str>) -> Option<Placement> {
    let mut found = Placement::default();
    let mut provider = None;
    for line in lines {
        if let Some((_, reason)) = line.split_once(" to CPU because ") {
            found.reasons.insert(reason.trim().to_owned());
        }
        let Some((_, message)) = line.split_once("VerifyEachNodeIsAssignedToAnEp:") else { continue };
        if let Some((_, rest)) = message.split_once("placed on [") {
            let (name, rest) = rest.split_once(']')?;
            let nodes: usize = rest.rsplit(' ').next()?.parse().ok()?;
            provider = Some(name);
            match name {
                "CUDAExecutionProvider" => found.cuda += nodes,
                _ if message.contains("All nodes") => {
                    found.elsewhere.push(format!("all {nodes} nodes on {name}"))
                }
                _ => {}
            }
        } else if let (Some(provider), Some((op, _))) = (provider, message.trim().split_once(" (")) {
            match provider {
                _ if op.starts_with("Memcpy") => {
                    found.copies += 1;
                    found.cuda = found.cuda.saturating_sub(usize::from(provider == "CUDAExecutionProvider"));
                }
                "CUDAExecutionProvider" => {}
                _ => found.elsewhere.push(format!("{op} on {provider}")),
            }
        }
    }
    provider.map(|_| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "onnxruntime session_state.cc:1375 VerifyEachNodeIsAssignedToAnEp:";

    fn parsed(lines: &[&str]) -> Option<Placement> {
        let lines: Vec<String> = lines.iter().map(|line| format!("{AT} {line}")).collect();
        parse(lines.iter().map(String::as_str))
    }

    #[test]
    fn all_nodes_on_one_provider() {
        let all = |provider| {
            parsed(&["Node placements", &format!(" All nodes placed on [{provider}]. Number of nodes: 7")])
        };
        let on_cuda = all("CUDAExecutionProvider").unwrap();
        assert_eq!((on_cuda.cuda, on_cuda.elsewhere.len(), on_cuda.copies), (7, 0, 0));
        let on_cpu = all("CPUExecutionProvider").unwrap();
        assert_eq!((on_cpu.cuda, on_cpu.elsewhere.len()), (0, 1));
    }

    #[test]
    fn a_node_on_the_cpu_and_its_copies_are_detected() {
        let found = parsed(&[
            " Node(s) placed on [CPUExecutionProvider]. Number of nodes: 1",
            "   ConvTranspose ()",
            " Node(s) placed on [CUDAExecutionProvider]. Number of nodes: 4",
            "   Conv (a)",
            "   Add (b)",
            "   MemcpyFromHost (Memcpy)",
            "   MemcpyToHost (Memcpy_token_1)",
        ]);
        let expected = Placement {
            cuda: 2,
            elsewhere: vec!["ConvTranspose on CPUExecutionProvider".into()],
            copies: 2,
            reasons: BTreeSet::new(),
        };
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn a_log_without_placement_is_rejected() {
        assert_eq!(parse(["onnxruntime graph.cc:1 Something: else"].into_iter()), None);
    }
}

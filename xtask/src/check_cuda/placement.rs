//! Where ONNX Runtime places the nodes of a session, read off its own log.

use gani_core::runtime::{LOG, Runtime};
use gani_onnx::Graph;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// How many nodes run where.
#[derive(Debug, Default, PartialEq)]
pub struct Placement {
    /// Nodes on the GPU, once ONNX Runtime has folded and fused what it can.
    pub cuda: usize,
    /// The others: `ConvTranspose on CPUExecutionProvider`.
    pub elsewhere: Vec<String>,
    /// Copies between host and GPU that were put in between.
    pub copies: usize,
    /// Why, where the provider says it.
    pub reasons: BTreeSet<String>,
}

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Listener;

impl log::Log for Listener {
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

/// Begins to listen.
pub fn listen() {
    // A second call finds the listener there.
    if log::set_logger(&Listener).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
}

/// Makes a session of the graph and says where its nodes went.
pub fn place(runtime: &Runtime, name: &str, graph: &Graph) -> Result<Placement, String> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).clear();
    runtime.compile(name, graph).map_err(|e| e.to_string())?;
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    parse(lines.iter().map(String::as_str))
        .ok_or_else(|| format!("{name}: ONNX Runtime's log does not say where its nodes are"))
}

/// Reads ` All nodes placed on [P]. Number of nodes: N`, or for each provider ` Node(s) placed on [P]. Number of nodes: N`
/// and below it a line `   Op (name)` for each of its nodes; and the CUDA provider's reasons.
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
    fn all_on_one_provider() {
        let all = |provider| {
            parsed(&["Node placements", &format!(" All nodes placed on [{provider}]. Number of nodes: 7")])
        };
        let on_cuda = all("CUDAExecutionProvider").unwrap();
        assert_eq!((on_cuda.cuda, on_cuda.elsewhere.len(), on_cuda.copies), (7, 0, 0));
        let on_cpu = all("CPUExecutionProvider").unwrap();
        assert_eq!((on_cpu.cuda, on_cpu.elsewhere.len()), (0, 1));
    }

    #[test]
    fn a_node_on_the_processor_and_its_copies_are_found() {
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
    fn silence_is_no_verdict() {
        assert_eq!(parse(["onnxruntime graph.cc:1 Something: else"].into_iter()), None);
    }
}

//! Small files that would take far more memory or time than a network of their size.
//!
//! The allocator of this test counts: the largest memory in use is part of what is tested.
#![allow(unsafe_code)]

use gani_onnx::{Error, read};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is that of the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time, because the memory of the process is counted.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// CPU time of this thread, which does not depend on what else runs; zero on systems other than Linux.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0))
}

/// Reads a model. Returns the result, and the bytes that it took beyond the file.
fn measured(model: Vec<u8>) -> (gani_onnx::Result<usize>, usize) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let started = cpu_time();
    let result = read::from_bytes("a.onnx", model, None, &[]).map(|graph| graph.nodes().len());
    let time = cpu_time() - started;
    assert!(time < Duration::from_secs(10), "it took {time:?}");
    (result, PEAK.load(Relaxed) - before)
}

fn refused(what: &str, model: Vec<u8>, megabytes: usize) {
    let (result, bytes) = measured(model);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Limits(_)), "{what}: {error}");
    assert!(error.to_string().starts_with("a.onnx: "), "{what}: {error}");
    assert!(bytes >> 20 <= megabytes, "{what} took {} MB: {error}", bytes >> 20);
}

/// A field with a length.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 128 {
        bytes.push(length as u8 | 128);
        length >>= 7;
    }
    bytes.push(length as u8);
    [bytes, content.to_vec()].concat()
}

fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = field(4, op.as_bytes());
    inputs.iter().for_each(|name| bytes.extend(field(1, name.as_bytes())));
    outputs.iter().for_each(|name| bytes.extend(field(2, name.as_bytes())));
    attributes.iter().for_each(|attribute| bytes.extend(field(5, attribute)));
    field(1, &bytes)
}

fn tensor(name: &str, dims: &[u8], dtype: u8, raw: &[u8]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|&d| [0x08, d]).collect();
    [&dims[..], &[0x10, dtype], &field(8, name.as_bytes()), &field(9, raw)].concat()
}

/// An f32 input of the given sizes, each a varint.
fn input(name: &str, sizes: &[&[u8]]) -> Vec<u8> {
    let dims: Vec<u8> = sizes.iter().flat_map(|size| field(1, &[&[0x08], *size].concat())).collect();
    let tensor_type = [&[0x08, 1][..], &field(2, &dims)].concat();
    field(11, &[field(1, name.as_bytes()), field(2, &field(1, &tensor_type))].concat())
}

/// A model of opset 18 with this graph, whose output is `y`.
fn model(graph: &[u8]) -> Vec<u8> {
    let graph = [graph, &field(12, &field(1, b"y"))].concat();
    [field(7, &graph), field(8, &[0x10, 18])].concat()
}

const INT: u8 = 2;
const INTS: u8 = 7;
const GRAPH: u8 = 5;

fn attribute(name: &str, kind: u8, value: &[u8]) -> Vec<u8> {
    [field(1, name.as_bytes()), value.to_vec(), vec![0xa0, 0x01, kind]].concat()
}

#[test]
fn messages_of_two_bytes_are_refused_before_they_are_decoded() {
    let _alone = alone();
    let empty = |number: u8, megabytes: usize| field(number, &[]).repeat(megabytes << 19);
    refused("nodes", model(&empty(1, 8)), 20);
    refused("attributes", model(&field(1, &empty(5, 8))), 30);
    refused("initializers", model(&empty(5, 8)), 20);
    refused("names", model(&field(1, &empty(1, 40))), 100);
    refused("integers", model(&field(5, &field(1, &vec![1; 80 << 20]))), 250);
    // As many as are accepted: the memory is within the limit that SECURITY.md states.
    let (result, bytes) = measured(model(&empty(1, 3)));
    assert!(matches!(result, Err(Error::Unsupported(_) | Error::Model(_))), "{result:?}");
    assert!((100..600).contains(&(bytes >> 20)), "{} MB", bytes >> 20);
}

#[test]
fn layers_that_are_unrolled_many_times_are_refused() {
    let _alone = alone();
    let hidden = attribute("hidden_size", INT, &[0x18, 1]);
    let zeros = |count: usize| vec![0; 4 * count];
    let mut graph = input("x", &[&[0x80, 0x20], &[1], &[1]]); // [4096, 1, 1]
    for (name, dims, count) in [("w", [1, 3, 1], 3), ("r", [1, 3, 1], 3)] {
        graph.extend(field(5, &tensor(name, &dims, 1, &zeros(count))));
    }
    for k in 0..200 {
        let previous = if k == 0 { "x".into() } else { format!("s{}", k - 1) };
        let (y, s) = (format!("y{k}"), format!("s{k}"));
        graph.extend(node("GRU", &[&previous, "w", "r"], &[&y], std::slice::from_ref(&hidden)));
        let axes = attribute("axes", INTS, &[0x40, 1]);
        graph.extend(node("Squeeze", &[&y], &[&s], &[axes]));
    }
    refused("GRU", model(&graph), 1024);
}

#[test]
fn constants_that_are_expanded_many_times_are_refused() {
    let _alone = alone();
    let mut graph = field(5, &tensor("shape", &[1], 7, &65_536u64.to_le_bytes()));
    for k in 0u32..20_000 {
        let value = tensor("", &[1], 6, &k.to_le_bytes());
        let attributes = [[field(1, b"value"), field(5, &value), vec![0xa0, 0x01, 4]].concat()];
        graph.extend(node("ConstantOfShape", &["shape"], &[&format!("c{k}")], &attributes));
    }
    refused("ConstantOfShape", model(&graph), 600);
}

#[test]
fn many_branches_in_a_large_graph_are_read_quickly() {
    let _alone = alone();
    let mut graph = field(5, &tensor("c", &[], 9, &[1]));
    for k in 0u32..20_000 {
        graph.extend(field(5, &tensor(&format!("w{k}"), &[1], 1, &k.to_le_bytes())));
    }
    for k in 0..20_000 {
        let inner = [node("Relu", &["w7"], &["b"], &[]), field(12, &field(1, b"b"))].concat();
        let branch = attribute("then_branch", GRAPH, &field(6, &inner));
        let output = if k == 0 { "y".into() } else { format!("y{k}") };
        graph.extend(node("If", &["c"], &[&output], &[branch]));
    }
    let (result, bytes) = measured(model(&graph));
    assert_eq!(result.unwrap(), 1, "equal nodes are one");
    assert!(bytes >> 20 < 200, "{} MB", bytes >> 20);
}

//! ONNX graphs in Rust: build them with operator-overloaded expressions, read and write `.onnx`, inline one into
//! another, **differentiate** them into standard ops, simplify them.
//!
//! ```
//! use gani_onnx::Builder;
//! let b = Builder::new();
//! let x = b.input("x", &[1, 3]);
//! let loss = (x * x).sum_all();                     // Σ x²
//! let dx = b.gradient(loss, &[x])?[0];              // 2x, as standard ONNX ops
//! b.output("loss", loss);
//! b.output("dx", dx);
//! let graph = b.finish()?;
//! let bytes = gani_onnx::write::to_bytes(&graph)?;
//! # assert!(!bytes.is_empty());
//! # Ok::<(), gani_onnx::Error>(())
//! ```
//!
//! Every graph is static: each value has a known shape, and all ops are of the default domain at opset
//! [`OPSET`]. Nothing here executes a graph; any ONNX Runtime does.

pub mod checkpoint;
pub mod cost;
pub mod cuda;
mod error;
mod eval;
pub mod expr;
pub mod gradient;
pub mod graph;
pub mod networks;
pub mod openvino;
mod ops;
mod peephole;
mod proto;
pub mod read;
pub mod tensor;
mod winograd;
pub mod write;

pub use error::{Error, Result};
pub use expr::{Builder, Expr};
pub use graph::{Attr, Attrs, Graph, Node, Value};
pub use tensor::{DType, Data, Tensor};
pub use winograd::winograd;

/// The opset of every graph we emit: the newest for which ONNX Runtime's CUDA provider still has a kernel for
/// everything we use (from 22 on, MaxPool and others fall back to the CPU).
pub const OPSET: i64 = 18;

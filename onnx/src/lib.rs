//! ONNX graphs in Rust: build them from operator-overloaded expressions, read and write `.onnx` files, inline
//! one graph into another, and **differentiate** them into standard ops.
//!
//! The gradient of a file, as a file:
//!
//! ```no_run
//! use gani_onnx::{Seed, read::ReadOptions, write};
//! let net = ReadOptions::new().shape("x", &[1, 3, 256, 256]).read("net.onnx".as_ref())?;
//! let gradient = net.gradient(&[("y", Seed::Ones)], &["x", "conv1.weight"])?;
//! write::to_file(&gradient, "gradient.onnx".as_ref(), &Default::default())?;
//! # Ok::<(), gani_onnx::Error>(())
//! ```
//!
//! A graph built in Rust, and its gradient:
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
//! A gradient is right, or it is refused with the op, the node and the reason. [`support`] lists the ops.
//!
//! Graphs are static: every value has a known shape, and all ops are of the default domain at opset
//! [`OPSET`]. This crate does not run graphs; ONNX Runtime does.

pub mod builder;
pub mod checkpoint;
pub mod cost;
mod error;
mod eval;
pub mod file;
pub mod gradient;
pub mod graph;
pub mod lower;
pub mod networks;
pub mod openvino;
mod ops;
mod proto;
pub mod read;
pub mod support;
pub mod tensor;
pub mod write;

pub use builder::{Builder, ConvAttrs, Expr};
pub use error::{Error, Result};
pub use gradient::Seed;
pub use graph::{Attr, Attrs, Graph, Node, Value};
pub use lower::{cuda, winograd};
pub use tensor::{DType, Data, Tensor};

/// The opset of every emitted graph. It is the newest for which ONNX Runtime's CUDA provider has kernels for
/// all ops in use: from opset 22 on, MaxPool and others fall back to the CPU.
pub const OPSET: i64 = 18;

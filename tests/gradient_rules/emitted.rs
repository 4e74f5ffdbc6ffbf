//! The exact graphs, as text, that gradients and the builder's simplifications produce: an extra node would cost time or memory.

use gani_onnx::{Attrs, Builder, ConvAttrs, Expr, Graph, Tensor};
use std::time::Instant;

/// Compares a graph's text with `expected`, whose indentation is ignored.
fn assert_text(graph: &Graph, expected: &str) {
    let expected: Vec<&str> = expected.trim().lines().map(str::trim).collect();
    let found = graph.to_string();
    assert_eq!(found.lines().collect::<Vec<_>>(), expected, "\n{found}");
}

/// The graph of ∂ Σ g·y / ∂ wrt.
fn gradient(f: impl for<'b> Fn(&'b Builder) -> (Expr<'b>, Expr<'b>)) -> Graph {
    let b = Builder::new();
    let (y, wrt) = f(&b);
    let g = b.input("g", &y.shape());
    let gradient = b.gradient((g * y).sum_all(), &[wrt]).unwrap()[0];
    b.output("gradient", gradient);
    b.finish().unwrap()
}

fn conv(b: &Builder, conv: ConvAttrs) -> (Expr<'_>, Expr<'_>, Expr<'_>) {
    let (x, w) = (b.input("x", &[1, 3, 8, 8]), b.input("w", &[4, 3, 2, 1]));
    (x, w, x.conv(w, &conv))
}

/// The outer product is much larger than its factors, so the backward pass recomputes it. The recomputation depends on the
/// incoming gradient, so that it does not run earlier.
#[test]
fn large_cheap_intermediates_are_recomputed_in_the_backward_pass() {
    let graph = gradient(|b| {
        let (row, column, w) =
            (b.input("row", &[1, 512]), b.input("column", &[512, 1]), b.input("w", &[512, 512]));
        (column.gemm(row, false, false) * w, w)
    });
    assert_text(
        &graph,
        "
        input row[1, 512]
        input column[512, 1]
        input w[512, 512]
        input g[512, 512]
        Reshape(g[512, 512], [262144]) -> %1[262144]
        Slice(%1[262144], [0], [1], [0], [1]) -> %2[1]
        Mul(%2[1], [0.0]) -> %3[1]
        Reshape(%3[1], [1, 1]) -> %4[1, 1]
        Add(column[512, 1], %4[1, 1]) -> %5[512, 1]
        Gemm(%5[512, 1], row[1, 512]) -> %6[512, 512] transA=Int(0) transB=Int(0)
        Mul(g[512, 512], %6[512, 512]) -> %7[512, 512]
        output gradient = %7[512, 512]
        ",
    );
}

#[test]
fn conv_dx_is_a_convolution_with_flipped_weights() {
    let graph = gradient(|b| {
        let (x, _, y) = conv(b, ConvAttrs { pads: vec![1, 0, 0, 0], ..ConvAttrs::same(0) });
        (y, x)
    });
    assert_text(
        &graph,
        "
        input x[1, 3, 8, 8]
        input w[4, 3, 2, 1]
        input g[1, 4, 8, 8]
        Transpose(w[4, 3, 2, 1]) -> %1[3, 4, 2, 1] perm=Ints([1, 0, 2, 3])
        Slice(%1[3, 4, 2, 1], [-1], [-9223372036854775808], [2], [-1]) -> %2[3, 4, 2, 1]
        Conv(g[1, 4, 8, 8], %2[3, 4, 2, 1]) -> %3[1, 3, 8, 8] dilations=Ints([1, 1]) group=Int(1) pads=Ints([0, 0, 1, 0]) strides=Ints([1, 1])
        output gradient = %3[1, 3, 8, 8]",
    );
}

#[test]
fn strided_conv_dx_is_a_transposed_convolution() {
    let graph = gradient(|b| {
        let (x, _, y) = conv(b, ConvAttrs::same(0).stride(2));
        (y, x)
    });
    assert_text(
        &graph,
        "
        input x[1, 3, 8, 8]
        input w[4, 3, 2, 1]
        input g[1, 4, 4, 4]
        ConvTranspose(g[1, 4, 4, 4], w[4, 3, 2, 1]) -> %1[1, 3, 8, 8] dilations=Ints([1, 1]) group=Int(1) output_padding=Ints([0, 1]) pads=Ints([0, 0, 0, 0]) strides=Ints([2, 2])
        output gradient = %1[1, 3, 8, 8]",
    );
}

#[test]
fn uneven_pads_become_a_slice_after_the_transposed_convolution() {
    let graph = gradient(|b| {
        let (x, _, y) = conv(b, ConvAttrs { pads: vec![1, 1, 1, 0], ..ConvAttrs::same(0) }.stride(2));
        (y, x)
    });
    assert_text(
        &graph,
        "
        input x[1, 3, 8, 8]
        input w[4, 3, 2, 1]
        input g[1, 4, 5, 5]
        ConvTranspose(g[1, 4, 5, 5], w[4, 3, 2, 1]) -> %1[1, 3, 8, 9] dilations=Ints([1, 1]) group=Int(1) pads=Ints([1, 0, 1, 0]) strides=Ints([2, 2])
        Slice(%1[1, 3, 8, 9], [1], [9], [3], [1]) -> %2[1, 3, 8, 8]
        output gradient = %2[1, 3, 8, 8]",
    );
}

#[test]
fn conv_dw_is_a_matrix_product_for_each_tap() {
    let graph = gradient(|b| {
        let (_, w, y) = conv(b, ConvAttrs { pads: vec![1, 0, 0, 0], ..ConvAttrs::same(0) });
        (y, w)
    });
    assert_text(
        &graph,
        "
        input x[1, 3, 8, 8]
        input w[4, 3, 2, 1]
        input g[1, 4, 8, 8]
        Pad(x[1, 3, 8, 8], [0, 0, 1, 0, 0, 0, 0, 0]) -> %1[1, 3, 9, 8]
        Reshape(g[1, 4, 8, 8], [4, 64]) -> %2[4, 64]
        Reshape(%1[1, 3, 9, 8], [3, 72]) -> %3[3, 72]
        Slice(%3[3, 72], [0], [64], [1], [1]) -> %4[3, 64]
        Gemm(%2[4, 64], %4[3, 64]) -> %5[4, 3] transA=Int(0) transB=Int(1)
        Slice(%3[3, 72], [8], [72], [1], [1]) -> %6[3, 64]
        Gemm(%2[4, 64], %6[3, 64]) -> %7[4, 3] transA=Int(0) transB=Int(1)
        Concat(%5[4, 3], %7[4, 3]) -> %8[8, 3] axis=Int(0)
        Reshape(%8[8, 3], [2, 4, 3]) -> %9[2, 4, 3]
        Transpose(%9[2, 4, 3]) -> %10[4, 3, 2] perm=Ints([1, 2, 0])
        Reshape(%10[4, 3, 2], [4, 3, 2, 1]) -> %11[4, 3, 2, 1]
        output gradient = %11[4, 3, 2, 1]",
    );
}

#[test]
fn activation_gradients_use_the_output() {
    let graph = gradient(|b| {
        let (x, bias) = (b.input("x", &[1, 3, 4, 4]), b.input("b", &[1, 3, 1, 1]));
        ((x + bias).leaky_relu(0.5), bias)
    });
    assert_text(
        &graph,
        "
        input x[1, 3, 4, 4]
        input b[1, 3, 1, 1]
        input g[1, 3, 4, 4]
        Add(x[1, 3, 4, 4], b[1, 3, 1, 1]) -> %1[1, 3, 4, 4]
        LeakyRelu(%1[1, 3, 4, 4]) -> %2[1, 3, 4, 4] alpha=Float(0.5)
        Mul(%2[1, 3, 4, 4], [3.4028234663852886e38]) -> %3[1, 3, 4, 4]
        Clip(%3[1, 3, 4, 4], [0.5], [1.0]) -> %4[1, 3, 4, 4]
        Mul(g[1, 3, 4, 4], %4[1, 3, 4, 4]) -> %5[1, 3, 4, 4]
        ReduceSum(%5[1, 3, 4, 4], [2, 3]) -> %6[1, 3, 1, 1] keepdims=Int(1)
        output gradient = %6[1, 3, 1, 1]",
    );
}

#[test]
fn gradient_of_a_mean_is_broadcast() {
    let b = Builder::new();
    let x = b.input("x", &[2, 8]);
    let dx = b.gradient(x.square().mean_all(), &[x]).unwrap()[0];
    b.output("dx", dx);
    assert_text(
        &b.finish().unwrap(),
        "
        input x[2, 8]
        Mul([0.125], x[2, 8]) -> %1[2, 8]
        output dx = %1[2, 8]",
    );
}

#[test]
fn equal_nodes_are_merged_and_constants_folded() {
    let b = Builder::new();
    let x = b.input("x", &[2, 3]);
    let same = (x.exp() + 1.0) * (x.exp() + 1.0) * (b.scalar(6.0) / b.scalar(2.0));
    let dims = b.op("Shape", &[Some(x)], Attrs::new())[0];
    let last = b.op("Gather", &[Some(dims), Some(b.constant(Tensor::ints(&[1])))], Attrs::new())[0];
    let target =
        b.op("Concat", &[Some(last), Some(b.constant(Tensor::ints(&[-1])))], Attrs::new().int("axis", 0))[0];
    b.output("y", b.op("Reshape", &[Some(same), Some(target)], Attrs::new())[0]);
    assert_text(
        &b.finish().unwrap(),
        "
        input x[2, 3]
        Exp(x[2, 3]) -> %1[2, 3]
        Add(%1[2, 3], [1.0]) -> %2[2, 3]
        Mul(%2[2, 3], %2[2, 3]) -> %3[2, 3]
        Mul(%3[2, 3], [3.0]) -> %4[2, 3]
        Reshape(%4[2, 3], [3, -1]) -> %5[3, 2]
        output y = %5[3, 2]",
    );
}

#[test]
fn operations_without_effect_are_removed() {
    let b = Builder::new();
    let x = b.input("x", &[2, 3, 4]);
    let y = (x * 1.0 + 0.0 - 0.0) / 1.0;
    let y = y.transpose(&[1, 2, 0]).transpose(&[2, 0, 1]).unary("Identity");
    let y = y.reshape(&[6, 4]).reshape(&[24]).reshape(&[2, 3, 4]).expand(&[3, 4]).pad(&[0; 3], &[0; 3]);
    let y = y.slice(&[0, 2], &[0, 0], &[2, 9], &[1, 1]);
    b.output("y", y);
    assert_text(&b.finish().unwrap(), "input x[2, 3, 4]\noutput y = x[2, 3, 4]");
}

/// The original scalar can still be differentiated.
#[test]
fn scalar_factors_are_unsqueezed_to_the_rank_of_the_other_operand() {
    let b = Builder::new();
    let scalar = b.input("s", &[1]).reshape(&[]);
    let y = b.input("x", &[2, 3, 1, 1]) * scalar + 0.5;
    b.output("y", y);
    b.output("d.s", b.gradient(y.sum_all(), &[scalar]).unwrap()[0]);
    assert_text(
        &b.finish().unwrap(),
        "
        input s[1]
        input x[2, 3, 1, 1]
        Reshape(s[1], []) -> %1[]
        Unsqueeze(%1[], [0, 1, 2, 3]) -> %2[1, 1, 1, 1]
        Mul(x[2, 3, 1, 1], %2[1, 1, 1, 1]) -> %3[2, 3, 1, 1]
        ReduceSum(x[2, 3, 1, 1], [0, 1]) -> %4[1, 1, 1, 1] keepdims=Int(1)
        Add(%3[2, 3, 1, 1], [0.5]) -> %5[2, 3, 1, 1]
        Reshape(%4[1, 1, 1, 1], []) -> %6[]
        output y = %5[2, 3, 1, 1]
        output d.s = %6[]",
    );
}

#[test]
fn weights_are_neither_merged_nor_folded() {
    let b = Builder::new();
    let zeros = || Tensor::f32(&[2], vec![0.0; 2]).unwrap();
    let x = b.input("x", &[2]);
    let (first, second) = (b.weight("first", zeros()), b.weight("second", zeros()));
    b.output("y", (x + first) * (second + 1.0) + b.constant(zeros()));
    let graph = b.finish().unwrap();
    assert_eq!(graph.named_constants().map(|(name, _)| name).collect::<Vec<_>>(), ["first", "second"]);
    assert_eq!(graph.nodes().len(), 4);
}

/// 1,000 convolution blocks: three times as many nodes as StyleGAN2 and its gradient have.
#[test]
fn large_graphs_are_built_and_differentiated_quickly() {
    let start = Instant::now();
    let b = Builder::new();
    let mut x = b.input("x", &[1, 8, 16, 16]);
    let mut weights = vec![];
    for i in 0..1000 {
        let w = b.input(&format!("w{i}"), &[8, 8, 3, 3]);
        weights.push(w);
        x = x.conv(w, &ConvAttrs::same(1)).leaky_relu(0.2) * 1.4;
    }
    let gradients = b.gradient(x.square().mean_all(), &weights).unwrap();
    gradients.iter().enumerate().for_each(|(i, g)| b.output(&format!("g{i}"), *g));
    let graph = b.finish().unwrap();
    assert!(graph.nodes().len() > 20_000);
    assert!(start.elapsed().as_secs_f32() < 10.0, "{:?}", start.elapsed());
    println!("{} nodes in {:?}", graph.nodes().len(), start.elapsed());
}

#[test]
fn nodes_that_only_outputs_read_come_last_in_output_order() {
    let b = Builder::new();
    let x = b.input("x", &[2]);
    let (first, second, inner) = (x.square(), x.sqrt(), x.exp());
    b.output("squares", first);
    b.output("sums", inner + x);
    b.output("roots", second);
    let graph = b.finish().unwrap();
    let ops: Vec<_> = graph.nodes().iter().map(|n| n.op.as_str()).collect();
    assert_eq!(ops, ["Exp", "Mul", "Add", "Sqrt"]);
}

//! Ops without a gradient rule, invalid nodes and invalid bindings: errors, and what their messages name.

use crate::node::differentiated;
use gani_onnx::{Attrs, Builder, Error};

/// The error of a gradient through a node.
fn unsupported(text: &str, shapes: &[&[usize]]) -> String {
    let shapes: Vec<Vec<usize>> = shapes.iter().map(|s| s.to_vec()).collect();
    match differentiated(text, &shapes, 1) {
        Err(Error::Unsupported(text)) => text,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn error_names_op_node_opset_and_shapes() {
    let text = unsupported("Det", &[&[2, 3, 3]]);
    for part in ["Det", "`tested`", "opset 18", "[2, 3, 3]", "no gradient rule"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn error_names_the_unsupported_attribute() {
    let image: &[usize] = &[1, 2, 6, 6];
    let pool = "AveragePool kernel_shape=3,3 strides=2,2 ceil_mode=1 pads=1,1,1,1 count_include_pad=1";
    for (node, shapes, why) in [
        ("Resize #1=none #2=[1.0,1.0,2.0,2.0] mode=lanczos", &[image][..], "lanczos"),
        (
            "Resize #1=none #2=[1.0,1.0,2.0,2.0] coordinate_transformation_mode=half_pixel_symmetric",
            &[image],
            "half_pixel_symmetric",
        ),
        ("ScatterElements #1=[0,1] reduction=mean axis=0", &[&[3], &[2]], "mean"),
        ("Pad #1=[0,0,1,1,0,0,1,1] mode=wrap", &[image], "wrap"),
        (pool, &[image], "past the padding"),
        ("NoSuchOp", &[image], "NoSuchOp"),
        ("Gather #1=[7] axis=1", &[image], "out of range"),
        ("ReduceSum noop_with_empty_axes=1", &[image], "over nothing"),
    ] {
        let text = unsupported(node, shapes);
        assert!(text.contains(why) && text.contains("opset 18") && text.contains("tested"), "{node}: {text}");
    }
}

#[test]
fn op_without_a_rule_is_an_error_only_on_the_gradient_path() {
    let b = Builder::new();
    let (x, y) = (b.input("x", &[3]), b.input("y", &[3, 3]));
    let determinant = b.op("Det", &[Some(y)], Attrs::new())[0];
    let loss = (x * determinant).sum_all();
    let gradient = b.gradient(loss, &[x]).unwrap();
    assert_eq!(gradient[0].shape(), [3]);
    assert!(b.gradient(loss, &[y]).is_err());
}

#[test]
fn gradient_of_an_unused_input_is_zero() {
    let b = Builder::new();
    let (x, y) = (b.input("x", &[3]), b.input("y", &[2, 2]));
    let gradients = b.gradient(x.sum_all(), &[x, y]).unwrap();
    b.output("gradient", gradients[1]);
    let text = b.finish().unwrap().to_string();
    assert!(text.contains("Expand([0.0], [2, 2]) -> %1[2, 2]"), "{text}");
}

#[test]
fn loss_must_be_a_scalar() {
    let b = Builder::new();
    let x = b.input("x", &[3]);
    let text = b.gradient(x * 2.0, &[x]).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("scalar") && text.contains("[3]"), "{text}");
}

#[test]
fn invalid_nodes_are_errors() {
    for (node, shapes) in [
        ("MatMul", &[&[2, 3][..], &[2, 3]][..]),
        ("Add", &[&[2, 3], &[2]]),
        ("Add", &[&[2, 3]]),
        ("Concat axis=2", &[&[2, 3], &[2, 3]]),
        ("Concat axis=1", &[&[2, 3], &[3, 3]]),
        ("Reshape #1=[4,-1]", &[&[2, 3]]),
        ("Reshape #1=[-1,-1]", &[&[2, 3]]),
        ("Transpose perm=0,0", &[&[2, 3]]),
        ("Transpose perm=0,-1", &[&[2, 3]]),
        ("Transpose perm=0,1,2", &[&[2, 3]]),
        ("Squeeze #1=[0]", &[&[2, 3]]),
        ("Unsqueeze #1=[0,0]", &[&[2, 3]]),
        ("Slice #1=[0] #2=[1] #3=[0] #4=[0]", &[&[2, 3]]),
        ("Slice #1=[0] #2=[1] #3=[5]", &[&[2, 3]]),
        ("Slice #1=[0,0] #2=[1,1] #3=[0,0]", &[&[2, 3]]),
        ("Split #1=[9223372036854775807,9223372036854775807] axis=0", &[&[2, 3]]),
        ("Gather #1=0", &[&[]]),
        ("Softmax axis=2", &[&[2, 3]]),
        ("Expand #1=[-1]", &[&[2, 3]]),
        ("Expand #1=[9223372036854775807,1]", &[&[1]]),
        ("Tile #1=[4611686018427387904,8]", &[&[2, 3]]),
        ("ConstantOfShape #0=[4611686018427387904,8]", &[]),
        ("Range #0=0.0 #1=1.0 #2=0.0", &[]),
        ("Range #0=0.0 #1=1e30 #2=1.0", &[]),
        ("Pad #1=[9223372036854775807,0,0,0]", &[&[2, 3]]),
        ("Pad #1=[-9,0,0,0]", &[&[2, 3]]),
        ("Pad #1=[3,0,0,0] mode=reflect", &[&[3, 3]]),
        ("Conv", &[&[1, 3, 8, 8], &[4, 2, 3, 3]]),
        ("Conv", &[&[1, 3, 2, 2], &[4, 3, 3, 3]]),
        ("Conv pads=9223372036854775807,0,0,0", &[&[1, 3, 2, 2], &[4, 3, 3, 3]]),
        ("Conv strides=0,1", &[&[1, 3, 4, 4], &[4, 3, 3, 3]]),
        ("Conv group=9223372036854775807", &[&[1, 3, 4, 4], &[4, 3, 3, 3]]),
        ("Conv", &[&[1, 3], &[4, 3]]),
        ("ConvTranspose output_padding=9223372036854775807,0", &[&[1, 3, 4, 4], &[3, 3, 3, 3]]),
        ("MaxPool kernel_shape=9223372036854775807,1", &[&[1, 3, 4, 4]]),
        ("MaxPool", &[&[1, 3, 4, 4]]),
        ("BatchNormalization", &[&[1, 3, 4, 4], &[3], &[3], &[3], &[2]]),
        ("InstanceNormalization", &[&[3], &[3], &[3]]),
        ("LayerNormalization", &[&[2, 3], &[2]]),
        ("Resize #1=none #2=[1.0,-1.0] mode=nearest", &[&[2, 3]]),
        ("Resize #1=none #2=[1e30,1e30] mode=nearest", &[&[2, 3]]),
        ("Resize #1=none #2=[1.0,1.0] mode=nearest", &[&[2, 0]]),
        ("DepthToSpace blocksize=9223372036854775807", &[&[1, 4, 1, 1]]),
        ("Gemm", &[&[2, 3], &[2, 3]]),
        ("Abs", &[&[1 << 40, 1 << 40]]),
    ] {
        let shapes: Vec<Vec<usize>> = shapes.iter().map(|s| s.to_vec()).collect();
        assert!(differentiated(node, &shapes, 1).is_err(), "{node} {shapes:?}");
    }
}

#[test]
fn values_of_another_builder_are_refused() {
    let (a, b) = (Builder::new(), Builder::new());
    let (x, y) = (a.input("x", &[1]), b.input("y", &[1]));
    let _ = a.op("Add", &[Some(x), Some(y)], Attrs::new());
    assert!(a.finish().unwrap_err().to_string().contains("another builder"));
}

#[test]
fn inlining_checks_names_and_shapes_of_bindings() {
    let network = {
        let b = Builder::new();
        let w = b.weight("w", gani_onnx::Tensor::f32(&[2], vec![1.0, 2.0]).unwrap());
        b.output("y", b.input("x", &[2]) * w);
        b.finish().unwrap()
    };
    let b = Builder::new();
    let (two, three) = (b.input("two", &[2]), b.input("three", &[3]));
    for (bindings, why) in [
        (vec![], "`x`"),
        (vec![("x", three)], "[3]"),
        (vec![("x", two), ("v", two)], "`v`"),
        (vec![("x", two), ("w", three)], "`w`"),
    ] {
        let text = b.inline(&network, &bindings).map(|_| ()).unwrap_err().to_string();
        assert!(text.contains(why), "{why}: {text}");
    }
    assert_eq!(b.inline(&network, &[("x", two), ("w", two)]).unwrap()[0].shape(), [2]);
}

//! Analytic gradients, including those at kinks and at zero.

use crate::node::{LoadedGraph, differentiated};
use ndarray::{ArrayD, IxDyn};
use std::f32::consts::{E, FRAC_2_SQRT_PI, LN_2};

/// A case of an element-wise op: a node, its input, and the derivative at each element.
type Derivative = (&'static str, &'static [f32], &'static [f32]);

/// σ(1)
const S: f32 = 0.731_058_6;

#[rustfmt::skip]
const DERIVATIVES: &[Derivative] = &[
    ("Abs",                             &[-2.0, 0.0, 3.0],              &[-1.0, 0.0, 1.0]),
    ("Neg",                             &[-2.0, 0.0],                   &[-1.0, -1.0]),
    ("Exp",                             &[0.0, 1.0],                    &[1.0, E]),
    ("Log",                             &[0.5, 4.0],                    &[2.0, 0.25]),
    ("Sqrt",                            &[0.0, 0.25, 4.0],              &[0.0, 1.0, 0.25]),
    ("Reciprocal",                      &[-2.0, 0.5],                   &[-0.25, -4.0]),
    ("Tanh",                            &[0.0, 1.0],                    &[1.0, 0.419_974_3]),
    ("Sigmoid",                         &[0.0, 1.0, 100.0],             &[0.25, S * (1.0 - S), 0.0]),
    ("Softplus",                        &[0.0, 1.0, -100.0],            &[0.5, S, 0.0]),
    ("Erf",                             &[0.0, 1.0],                    &[FRAC_2_SQRT_PI, 0.415_107_5]),
    ("Tan",                             &[0.0, 1.0],                    &[1.0, 3.425_518_8]),
    ("Asin",                            &[0.0, 0.6, 1.0, -1.0],         &[1.0, 1.25, 0.0, 0.0]),
    ("Acos",                            &[0.0, 0.6, 1.0],               &[-1.0, -1.25, 0.0]),
    ("Atan",                            &[0.0, 3.0],                    &[1.0, 0.1]),
    ("Sinh",                            &[0.0, 1.0],                    &[1.0, 1.543_080_6]),
    ("Cosh",                            &[0.0, 1.0],                    &[0.0, 1.175_201_2]),
    ("Asinh",                           &[0.0, 0.75],                   &[1.0, 0.8]),
    ("Acosh",                           &[1.0, 1.25],                   &[0.0, 4.0 / 3.0]),
    ("Atanh",                           &[0.0, 0.5],                    &[1.0, 4.0 / 3.0]),
    ("Sin",                             &[0.0],                         &[1.0]),
    ("Cos",                             &[0.0],                         &[0.0]),
    ("Mish",                            &[0.0, 30.0, -100.0],           &[0.6, 1.0, 0.0]),
    ("Softsign",                        &[0.0, 1.0, -1.0],              &[1.0, 0.25, 0.25]),
    ("Celu alpha=2.0",                  &[-2.0, 0.0, 3.0],              &[1.0 / E, 1.0, 1.0]),
    ("ThresholdedRelu",                 &[0.5, 1.0, 2.0],               &[0.0, 0.0, 1.0]),
    ("Shrink lambd=1.0",                &[-3.0, 1.0, 0.5, 3.0],         &[1.0, 0.0, 0.0, 1.0]),
    ("Mod fmod=1 #1=2.0",               &[5.0, -5.0],                   &[1.0, 1.0]),
    ("Mod fmod=1 #0=5.0",               &[2.0, -3.0],                   &[-2.0, 1.0]),
    ("Hardmax",                         &[5.0, 6.0],                    &[0.0, 0.0]),
    ("Identity",                        &[5.0],                         &[1.0]),
    ("Cast to=1",                       &[5.0],                         &[1.0]),
    ("Cast to=7",                       &[5.5],                         &[0.0]),
    ("Relu",                            &[-1.0, 0.0, 2.0],              &[0.0, 0.0, 1.0]),
    ("LeakyRelu alpha=0.2",             &[-1.0, 0.0, 2.0],              &[0.2, 0.2, 1.0]),
    ("LeakyRelu alpha=-0.5",            &[-1.0, 2.0],                   &[-0.5, 1.0]),
    ("LeakyRelu alpha=0.0",             &[-1.0, 2.0],                   &[0.0, 1.0]),
    ("Elu alpha=2.0",                   &[-1.0, 3.0],                   &[2.0 / E, 1.0]),
    ("Selu",                            &[3.0],                         &[1.050_701]),
    ("HardSigmoid",                     &[-3.0, -2.5, 0.0, 2.5, 9.0],   &[0.0, 0.0, 0.2, 0.0, 0.0]),
    ("HardSigmoid alpha=0.5",           &[-1.0, 0.0],                   &[0.0, 0.5]),
    ("HardSwish",                       &[-4.0, 0.0, 3.0, 5.0],         &[0.0, 0.5, 1.0, 1.0]),
    ("Clip #1=-1.0 #2=1.0",             &[-2.0, -1.0, 0.0, 1.0, 2.0],   &[0.0, 1.0, 1.0, 1.0, 0.0]),
    ("Clip",                            &[-9.0, 9.0],                   &[1.0, 1.0]),
    ("Pow #1=2.0",                      &[-3.0, 0.0],                   &[-6.0, 0.0]),
    ("Pow #1=3.0",                      &[-2.0, 0.0],                   &[12.0, 0.0]),
    ("Pow #1=0.0",                      &[-2.0, 0.0],                   &[0.0, 0.0]),
    ("Pow #1=1.0",                      &[-2.0, 0.0],                   &[1.0, 1.0]),
    ("Pow #0=2.0",                      &[0.0, 3.0],                    &[LN_2, 8.0 * LN_2]),
    ("Pow #0=0.0",                      &[1.0, 3.0],                    &[0.0, 0.0]),
    ("Add #1=4.0",                      &[1.0],                         &[1.0]),
    ("Sub #0=4.0",                      &[1.0],                         &[-1.0]),
    ("Mul #1=4.0",                      &[1.0],                         &[4.0]),
    ("Div #1=4.0",                      &[1.0],                         &[0.25]),
    ("Div #0=4.0",                      &[2.0],                         &[-1.0]),
    ("PRelu #1=[0.1,0.2,0.3]",          &[-1.0, 0.0, 2.0],              &[0.1, 0.2, 1.0]),
    ("Min #1=[1.0,1.0,1.0]",            &[0.0, 1.0, 2.0],               &[1.0, 0.5, 0.0]),
    ("Max #1=[1.0,1.0,1.0]",            &[0.0, 1.0, 2.0],               &[0.0, 0.5, 1.0]),
    ("Max #1=[1.0] #2=[1.0]",           &[1.0],                         &[1.0 / 3.0]),
    ("Where #0=b[1,0] #2=7.0",          &[1.0, 2.0],                    &[1.0, 0.0]),
    ("Equal #1=0.0",                    &[0.0, 1.0],                    &[0.0, 0.0]),
    ("Greater #1=0.0",                  &[0.0, 1.0],                    &[0.0, 0.0]),
    ("GreaterOrEqual #1=0.0",           &[0.0, 1.0],                    &[0.0, 0.0]),
    ("Less #1=0.0",                     &[0.0, 1.0],                    &[0.0, 0.0]),
    ("LessOrEqual #1=0.0",              &[0.0, 1.0],                    &[0.0, 0.0]),
    ("Floor",                           &[0.5],                         &[0.0]),
    ("Sign",                            &[0.5],                         &[0.0]),
    ("ConstantOfShape #0=[2,3]",        &[],                            &[]),
    ("Shape",                           &[1.0, 2.0],                    &[0.0, 0.0]),
    ("ReduceSum",                       &[1.0, 5.0],                    &[1.0, 1.0]),
    ("ReduceMean",                      &[1.0, 5.0],                    &[0.5, 0.5]),
    ("ReduceMax",                       &[1.0, 5.0, 5.0],               &[0.0, 0.5, 0.5]),
    ("ReduceMin",                       &[1.0, 5.0, 5.0],               &[1.0, 0.0, 0.0]),
    ("ReduceL1",                        &[-2.0, 0.0, 3.0],              &[-1.0, 0.0, 1.0]),
    ("ReduceL2",                        &[3.0, -4.0],                   &[0.6, -0.8]),
    ("ReduceL2",                        &[0.0, 0.0],                    &[0.0, 0.0]),
    ("ReduceSumSquare",                 &[3.0, -4.0],                   &[6.0, -8.0]),
    ("ReduceLogSum",                    &[1.0, 3.0],                    &[0.25, 0.25]),
    ("ReduceLogSumExp",                 &[0.0, 0.0],                    &[0.5, 0.5]),
    ("ReduceProd",                      &[2.0, 3.0, 4.0],               &[12.0, 8.0, 6.0]),
    ("ReduceProd",                      &[2.0, 0.0, 4.0],               &[0.0, 8.0, 0.0]),
    ("ReduceProd",                      &[0.0, 0.0, 4.0],               &[0.0, 0.0, 0.0]),
];

/// Shape and row-major elements.
type Array = (&'static [usize], &'static [f32]);

/// A case of an op that moves or combines elements: a node, its inputs, and the gradient of Σ r·y with respect to each input, for
/// r = 1, 2, 3, …
type Gradients = (&'static str, &'static [Array], &'static [&'static [f32]]);

#[rustfmt::skip]
const GRADIENTS: &[Gradients] = &[
    ("Add",                         &[(&[2], &[1., 2.]), (&[], &[5.])],                     &[&[1., 2.], &[3.]]),
    ("Mul",                         &[(&[2], &[1., 2.]), (&[1], &[5.])],                    &[&[5., 10.], &[5.]]),
    ("Sum",                         &[(&[2], &[1., 2.]), (&[1], &[5.])],                    &[&[1., 2.], &[3.]]),
    ("Mean",                        &[(&[2], &[1., 2.]), (&[1], &[5.])],                    &[&[0.5, 1.], &[1.5]]),
    ("Reshape #1=[2,-1]",           &[(&[4], &[0.; 4])],                                    &[&[1., 2., 3., 4.]]),
    ("Flatten",                     &[(&[1, 2, 2], &[0.; 4])],                              &[&[1., 2., 3., 4.]]),
    ("Squeeze #1=[0]",              &[(&[1, 2], &[0.; 2])],                                 &[&[1., 2.]]),
    ("Unsqueeze #1=[0]",            &[(&[2], &[0.; 2])],                                    &[&[1., 2.]]),
    ("Transpose",                   &[(&[2, 2], &[0.; 4])],                                 &[&[1., 3., 2., 4.]]),
    ("Concat axis=1",               &[(&[2, 1], &[0.; 2]), (&[2, 2], &[0.; 4])],            &[&[1., 4.], &[2., 3., 5., 6.]]),
    ("Split #1=[3] axis=0",         &[(&[3], &[0.; 3])],                                    &[&[1., 2., 3.]]),
    ("Slice #1=[1] #2=[9]",         &[(&[3], &[0.; 3])],                                    &[&[0., 1., 2.]]),
    ("Slice #1=[-1] #2=[-9223372036854775808] #3=[0] #4=[-2]", &[(&[4], &[0.; 4])],         &[&[0., 2., 0., 1.]]),
    ("Gather #1=[1,1,0]",           &[(&[3], &[0.; 3])],                                    &[&[3., 3., 0.]]),
    ("Gather #1=-1",                &[(&[3], &[0.; 3])],                                    &[&[0., 0., 1.]]),
    ("Expand #1=[2,2]",             &[(&[2], &[0.; 2])],                                    &[&[4., 6.]]),
    ("Tile #1=[2]",                 &[(&[2], &[0.; 2])],                                    &[&[4., 6.]]),
    ("Pad #1=[1,2]",                &[(&[2], &[0.; 2])],                                    &[&[2., 3.]]),
    ("Pad #1=[-1,1]",               &[(&[3], &[0.; 3])],                                    &[&[0., 1., 2.]]),
    ("Pad #1=[1,1] mode=reflect",   &[(&[3], &[0.; 3])],                                    &[&[2., 3. + 1. + 5., 4.]]),
    ("Pad #1=[2,1] mode=edge",      &[(&[2], &[0.; 2])],                                    &[&[1. + 2. + 3., 4. + 5.]]),
    ("MatMul",                      &[(&[1, 2], &[1., 2.]), (&[2, 1], &[3., 4.])],          &[&[3., 4.], &[1., 2.]]),
    ("Gemm alpha=2.0 beta=3.0",     &[(&[1, 1], &[5.]), (&[1, 1], &[7.]), (&[1], &[1.])],   &[&[14.], &[10.], &[3.]]),
    ("Conv",                        &[(&[1, 1, 3], &[1., 2., 3.]), (&[1, 1, 2], &[4., 5.]), (&[1], &[0.])],
                                                                                            &[&[4., 13., 10.], &[5., 8.], &[3.]]),
    ("ConvTranspose",               &[(&[1, 1, 2], &[1., 2.]), (&[1, 1, 2], &[4., 5.]), (&[1], &[0.])],
                                                                                            &[&[14., 23.], &[5., 8.], &[6.]]),
    ("MaxPool kernel_shape=2, strides=2,", &[(&[1, 1, 4], &[1., 1., 3., 5.])],              &[&[1., 0., 0., 2.]]),
    ("MaxPool kernel_shape=2, pads=1,1", &[(&[1, 1, 2], &[-3., -5.])],                      &[&[1. + 2., 3.]]),
    ("AveragePool kernel_shape=2,", &[(&[1, 1, 3], &[0.; 3])],                              &[&[0.5, 1.5, 1.]]),
    ("AveragePool kernel_shape=2, pads=1,0", &[(&[1, 1, 2], &[0.; 2])],                     &[&[1. + 1., 1.]]),
    ("GlobalAveragePool",           &[(&[1, 2, 2], &[0.; 4])],                              &[&[0.5, 0.5, 1., 1.]]),
    ("BatchNormalization epsilon=0.0", &[(&[1, 1, 1], &[5.]), (&[1], &[3.]), (&[1], &[0.]), (&[1], &[1.]), (&[1], &[4.])],
                                                                            &[&[1.5], &[2.], &[1.], &[-1.5], &[-0.75]]),
    ("InstanceNormalization epsilon=0.0", &[(&[1, 1, 2], &[1., 3.]), (&[1], &[1.]), (&[1], &[0.])],
                                                                                            &[&[0., 0.], &[1.], &[3.]]),
    ("LayerNormalization epsilon=0.0", &[(&[2], &[1., 3.]), (&[2], &[1., 1.]), (&[2], &[0., 0.])],
                                                                                            &[&[0., 0.], &[-1., 2.], &[1., 2.]]),
    ("Softmax",                     &[(&[2], &[0., 0.])],                                   &[&[-0.25, 0.25]]),
    ("LogSoftmax",                  &[(&[2], &[0., 0.])],                                   &[&[-0.5, 0.5]]),
    ("Resize #1=none #2=[1.0,1.0,2.0] mode=nearest", &[(&[1, 1, 2], &[0.; 2])],             &[&[3., 7.]]),
    ("Resize #1=none #2=none #3=[1,1,3] mode=linear coordinate_transformation_mode=align_corners",
                                    &[(&[1, 1, 2], &[0.; 2])],                              &[&[2., 4.]]),
    // Triangles of width 4 at 0.5 and 2.5: the weights of the first output are (3, 2, 1, 0)/8 and, beyond the border, 1/8.
    ("Resize #1=none #2=none #3=[1,1,1,2] mode=linear antialias=1",
                                    &[(&[1, 1, 1, 4], &[0.; 4])],                           &[&[0.5, 0.625, 0.875, 1.]]),
    ("GlobalMaxPool",               &[(&[1, 2, 3], &[1., 5., 5., 7., 7., 2.])],             &[&[0., 1., 0., 2., 0., 0.]]),
    ("CumSum #1=0",                 &[(&[3], &[0.; 3])],                                    &[&[6., 5., 3.]]),
    ("Trilu",                       &[(&[2, 2], &[0.; 4])],                                 &[&[1., 2., 0., 4.]]),
    ("Einsum equation=i,j->ij",     &[(&[2], &[1., 2.]), (&[2], &[3., 4.])],                &[&[11., 25.], &[7., 10.]]),
    ("Einsum equation=ii->i",       &[(&[2, 2], &[0.; 4])],                                 &[&[1., 0., 0., 2.]]),
    ("LRN size=1 alpha=1.0 beta=1.0", &[(&[1, 1, 1, 2], &[1., 0.])],                          &[&[0., 2.]]),
    ("GatherElements #1=[1,1,0]",   &[(&[3], &[0.; 3])],                                    &[&[3., 3., 0.]]),
    ("ScatterElements #1=[2,0]",    &[(&[3], &[0.; 3]), (&[2], &[0.; 2])],                  &[&[0., 2., 0.], &[3., 1.]]),
    ("ScatterElements #1=[1,1] reduction=add", &[(&[3], &[0.; 3]), (&[2], &[0.; 2])],       &[&[1., 2., 3.], &[2., 2.]]),
    ("ScatterElements #1=[1,1] reduction=mul", &[(&[2], &[1., 2.]), (&[2], &[0., 3.])],     &[&[1., 0.], &[12., 0.]]),
    ("ScatterElements #1=[1,1] reduction=max", &[(&[2], &[1., 2.]), (&[2], &[2., 1.])],     &[&[1., 1.], &[1., 0.]]),
    ("DepthToSpace blocksize=2",    &[(&[1, 4, 1, 1], &[0.; 4])],                           &[&[1., 2., 3., 4.]]),
    ("SpaceToDepth blocksize=2",    &[(&[1, 1, 2, 2], &[0.; 4])],                           &[&[1., 2., 3., 4.]]),
    ("ReduceSum #1=[1]",            &[(&[2, 2], &[0.; 4])],                                 &[&[1., 1., 2., 2.]]),
];

pub fn names() -> Vec<&'static str> {
    DERIVATIVES.iter().map(|case| case.0).chain(GRADIENTS.iter().map(|case| case.0)).collect()
}

fn array(shape: &[usize], values: &[f32]) -> ArrayD<f32> {
    ArrayD::from_shape_vec(IxDyn(shape), values.to_vec()).unwrap()
}

/// Checks the gradients of Σ r·y, where r counts from `first` in steps of `step`.
fn check(name: &str, xs: &[ArrayD<f32>], expected: &[&[f32]], first: f32, step: f32) -> Result<(), String> {
    let shapes: Vec<Vec<usize>> = xs.iter().map(|x| x.shape().to_vec()).collect();
    let graph = differentiated(name, &shapes, 1).map_err(|e| e.to_string())?;
    let shape = graph.output_shape("y0").unwrap().to_vec();
    let size = shape.iter().product::<usize>();
    let r: Vec<f32> = (0..size).map(|i| first + i as f32 * step).collect();
    let mut inputs: Vec<_> = xs.iter().enumerate().map(|(i, x)| (format!("x{i}"), x.clone())).collect();
    inputs.push(("r0".into(), array(&shape, &r)));
    let found = LoadedGraph::new(name, graph)?.run(&inputs)?;
    for (i, expected) in expected.iter().enumerate() {
        let found: Vec<f32> = found[&format!("g{i}")].iter().copied().collect();
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * b.abs().max(1.0);
        if found.len() != expected.len() || !found.iter().zip(*expected).all(close) {
            return Err(format!("gradient {i} is {found:?}, expected {expected:?}"));
        }
    }
    Ok(())
}

#[test]
fn gradients_match_analytic_values() {
    let mut wrong = vec![];
    for (name, x, derivative) in DERIVATIVES {
        let xs = if x.is_empty() { vec![] } else { vec![array(&[x.len()], x)] };
        let expected: &[&[f32]] = if x.is_empty() { &[] } else { &[derivative] };
        wrong.extend(check(name, &xs, expected, 1.0, 0.0).err().map(|why| format!("{name} at {x:?}: {why}")));
    }
    for (name, inputs, gradients) in GRADIENTS {
        let xs: Vec<_> = inputs.iter().map(|(shape, values)| array(shape, values)).collect();
        wrong.extend(check(name, &xs, gradients, 1.0, 1.0).err().map(|why| format!("{name}: {why}")));
    }
    assert!(wrong.is_empty(), "{} cases fail:\n{}", wrong.len(), wrong.join("\n"));
}

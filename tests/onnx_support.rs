//! The list of supported ops against ONNX's own op definitions (`fixtures/onnx_schemas.tsv`), against what the crate
//! does, and against its table in `docs/onnx.md`. `UPDATE_DOCS=1` writes the table.

use gani_onnx::support::{Gradient, OpSupport, Reading, ops};
use gani_onnx::{Attrs, Builder};
use std::collections::BTreeMap;

/// Versions and floating-point inputs (index, name) of an op.
struct Schema {
    versions: String,
    inputs: Vec<(usize, String)>,
}

fn schemas() -> BTreeMap<String, Schema> {
    let lines = include_str!("fixtures/onnx_schemas.tsv").lines().filter(|line| !line.starts_with('#'));
    let schema = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let input = |text: &str| {
            let (index, name) = text.split_once(':').unwrap();
            (index.parse().unwrap(), name.to_string())
        };
        let inputs = fields[2].split_whitespace().map(input).collect();
        (fields[0].to_string(), Schema { versions: fields[1].into(), inputs })
    };
    lines.map(schema).collect()
}

/// Whether there is a shape rule: a node without inputs is then malformed, not unsupported.
fn has_shape_rule(op: &str) -> bool {
    let b = Builder::new();
    b.output("y", b.op(op, &[], Attrs::new())[0]);
    let error = b.finish().map(|_| String::new()).unwrap_or_else(|e| e.to_string());
    // Rules of a section look at input 0 before they look at the op.
    let b = Builder::new();
    let x = b.input("x", &[1, 1, 2, 2]);
    b.output("y", b.op(op, &[Some(x)], Attrs::new())[0]);
    let one = b.finish().map(|_| String::new()).unwrap_or_else(|e| e.to_string());
    !error.contains(&format!("no rule for `{op}`")) && !one.contains(&format!("no rule for `{op}`"))
}

#[test]
fn the_list_has_every_op_with_a_shape_rule() {
    for name in schemas().keys() {
        let listed = ops().iter().find(|o| o.op == name).map(|o| o.reading);
        match has_shape_rule(name) {
            true => assert!(listed.is_some(), "`{name}` has a shape rule but is not in the list"),
            false => assert_ne!(listed, Some(Reading::Native), "`{name}` has no shape rule"),
        }
    }
}

#[test]
fn inputs_without_a_gradient_are_floating_point_inputs_of_the_definition() {
    let schemas = schemas();
    for op in ops() {
        let schema = schemas.get(op.op).unwrap_or_else(|| panic!("ONNX has no op `{}`", op.op));
        for input in op.constant_inputs.iter().chain(op.zero_inputs) {
            assert!(
                schema.inputs.iter().any(|(i, _)| i == input),
                "{}: input {input} is no floating-point input",
                op.op
            );
        }
    }
}

/// A gradient that reaches an op of the list either has a rule, or is zero by the list, or is refused: with every
/// floating-point input a variable, no input may be left out silently.
#[test]
fn no_gradient_is_left_out_silently() {
    let schemas = schemas();
    for op in ops().iter().filter(|o| o.reading == Reading::Native && o.gradient != Gradient::Zero) {
        let inputs = &schemas[op.op].inputs;
        for shape in [vec![2, 2], vec![1, 2, 2], vec![1, 1, 2, 2], vec![2], vec![]] {
            let b = Builder::new();
            let count = inputs.iter().map(|(i, _)| i + 1).max().unwrap_or(0);
            let xs: Vec<_> = (0..count).map(|i| b.input(&format!("x{i}"), &shape)).collect();
            let args: Vec<_> =
                (0..count).map(|i| inputs.iter().any(|(j, _)| *j == i).then(|| xs[i])).collect();
            let y = b.op(op.op, &args, Attrs::new())[0];
            if !y.dtype().is_float() {
                continue;
            }
            let Ok(gradients) = b.gradient(y.sum_all(), &xs) else { continue };
            for (i, g) in gradients.iter().enumerate().filter(|(i, _)| args[*i].is_some()) {
                b.output(&format!("g{i}"), *g);
            }
            let Ok(graph) = b.finish() else { continue };
            for (name, value) in graph.outputs() {
                let i: usize = name[1..].parse().unwrap();
                let node = graph.nodes().iter().find(|n| n.outputs.contains(value));
                let is_zero = node.is_some_and(|n| {
                    n.op == "Expand" && {
                        let source = n.inputs[0].and_then(|v| graph.constant(v));
                        source.is_some_and(|t| t.to_f64() == [0.0])
                    }
                });
                assert!(
                    !is_zero || op.zero_inputs.contains(&i),
                    "{} {shape:?}: input {i} has a zero gradient",
                    op.op
                );
            }
        }
    }
}

fn row(op: &OpSupport, schema: &Schema) -> String {
    let gradient = match op.gradient {
        Gradient::Rule => "yes",
        Gradient::Zero => "zero",
        Gradient::Forward => "refused",
    };
    let names = |indices: &[usize], why: &str| {
        let named = indices.iter().filter_map(|i| schema.inputs.iter().find(|(j, _)| j == i));
        let names: Vec<_> = named.map(|(_, name)| format!("`{name}`")).collect();
        (!names.is_empty()).then(|| format!("{} {why}", names.join(", ")))
    };
    let note = Some(op.note.to_string()).filter(|n| !n.is_empty());
    let notes: Vec<_> =
        [names(op.constant_inputs, "constant"), names(op.zero_inputs, "without influence"), note]
            .into_iter()
            .flatten()
            .collect();
    let versions = schema.versions.replace(',', ", ");
    format!("| {} | {versions} | {gradient} | {} |", op.op, notes.join("; "))
}

#[test]
fn the_table_in_the_docs_is_current() {
    let schemas = schemas();
    let mut table = "| Op | Versions | Gradient | Limits |\n|---|---|---|---|\n".to_string();
    ops().iter().for_each(|op| table += &(row(op, &schemas[op.op]) + "\n"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/onnx.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once("<!-- ops -->\n").expect("docs/onnx.md has no mark <!-- ops -->");
    let (found, after) = rest.split_once("<!-- end of ops -->").expect("docs/onnx.md has no end mark");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}<!-- ops -->\n{table}<!-- end of ops -->{after}")).unwrap();
    } else {
        assert_eq!(found, table, "run UPDATE_DOCS=1 cargo test -p gani-tests --test onnx_support");
    }
}
